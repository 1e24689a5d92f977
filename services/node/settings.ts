import type { SettingSpec } from "#settings";

/** Every setting of a node: the same names in a file, in the environment and as flags. */
export const settings = [
  { name: "id", argument: "ID", description: "this member's id, such as n1" },
  {
    name: "cluster-id",
    argument: "ID",
    description: "the cluster that the node belongs to, the same on each node",
  },
  {
    name: "members",
    argument: "ID=CLIENT/PEER,…",
    description:
      "all members with the HOST:PORT of their client and peer services; at the first start, and later where addresses changed that the cluster cannot be told of",
  },
  { name: "data-dir", argument: "DIRECTORY", description: "where this node keeps its data" },
  {
    name: "bootstrap",
    argument: null,
    description: "make the data directory; only at the very first start of the cluster",
  },
  {
    name: "join",
    argument: "HOST:PORT,…",
    description:
      "make the data directory as that of a new member of a running cluster, of which these are client addresses",
  },
  {
    name: "join-as",
    argument: "PART",
    description: "voter, the default: votes as soon as it has caught up; or learner: until it is promoted",
  },
  {
    name: "join-timeout-ms",
    argument: "MS",
    description:
      "how long a start that needs other nodes' help goes on while none of them helps; 60000 by default",
  },
  {
    name: "restore",
    argument: "FILE",
    description: "with bootstrap: begin the cluster with what that backup holds; the same on each node",
  },
  {
    name: "verify-backup",
    argument: "FILE",
    description: "check that backup, say what it holds, and exit: with 0 if it is sound",
  },
  {
    name: "force-new-cluster",
    argument: "ID",
    description:
      "this node's own id: go on alone, as a cluster with a new cluster-id, when most members are lost for ever",
  },
  {
    name: "advertise-client",
    argument: "HOST:PORT",
    description: "where others reach this node's client services, if not as in members",
  },
  {
    name: "advertise-peer",
    argument: "HOST:PORT",
    description: "where others reach this node's peer service, if not as in members",
  },
  {
    name: "peer-routes",
    argument: "ID=HOST:PORT,…",
    description: "where this node alone reaches the peer service of a member, such as through a proxy",
  },
  {
    name: "listen-client",
    argument: "HOST:PORT",
    description: "where to serve clients, if not at the advertised address",
  },
  {
    name: "listen-peer",
    argument: "HOST:PORT",
    description: "where to serve peers, if not at the advertised address",
  },
  {
    name: "listen-metrics",
    argument: "HOST:PORT",
    description: "where to serve metrics and health over HTTP; nowhere by default",
  },
  {
    name: "tracing",
    argument: "on|off",
    description:
      "whether calls and writes become spans of the OpenTelemetry SDK that is loaded; off by default",
  },
  { name: "profile", argument: "NAME", description: "timing: default, fast or wan; the same on each node" },
  {
    name: "heartbeat-ms",
    argument: "MS",
    description: "how often a leader shows itself, instead of the profile's",
  },
  {
    name: "election-timeout-ms",
    argument: "MS",
    description: "how long a follower waits for a leader at least, instead of the profile's",
  },
  {
    name: "forwarding",
    argument: "on|off",
    description: "whether calls that belong to the leader are forwarded to it; on by default",
  },
  {
    name: "lease-reads",
    argument: "on|off",
    description:
      "whether a leader reads without asking the others while its lease lasts: only where no clock differs from true time by more than a twentieth; off by default; the same on each node",
  },
  {
    name: "log-level",
    argument: "LEVEL",
    description: "debug, info, warn, error or silent; info by default",
  },
  { name: "key-bytes-max", argument: "BYTES", description: "the longest key; 4096 by default" },
  { name: "value-bytes-max", argument: "BYTES", description: "the longest value; 1048576 by default" },
  { name: "request-bytes-max", argument: "BYTES", description: "the longest request; 2097152 by default" },
  {
    name: "batch-records-max",
    argument: "COUNT",
    description: "the most keys of one BatchGet, Exists or DeleteRange; 10000 by default",
  },
  {
    name: "txn-operations-max",
    argument: "COUNT",
    description: "the most operations in a branch of a Txn, and the most compares; 128 by default",
  },
  {
    name: "history-revisions",
    argument: "COUNT",
    description: "how many past revisions can be read and watched at least; 0 for all; 100000 by default",
  },
  {
    name: "history-ms",
    argument: "MS",
    description:
      "how long past revisions can be read and watched at least; 0, the default, for no such bound",
  },
  {
    name: "log-entries-max",
    argument: "COUNT",
    description: "how many entries the Raft log may hold before it is cut; 100000 by default",
  },
  {
    name: "log-bytes-max",
    argument: "BYTES",
    description: "how many bytes they may be before it is cut; 67108864 by default",
  },
  {
    name: "log-entries-kept",
    argument: "COUNT",
    description: "how many of them a cut leaves, for members that are a little behind; 10000 by default",
  },
  {
    name: "snapshots-sending-max",
    argument: "COUNT",
    description: "how many images of the state are sent to other members at a time; 4 by default",
  },
  {
    name: "verify-interval-ms",
    argument: "MS",
    description: "how often all replicas are compared at most; 0 for never; 10000 by default",
  },
  {
    name: "free-bytes-min",
    argument: "BYTES",
    description:
      "writes are refused where the disks of most members have less free; 0 for no such bound; 268435456 by default",
  },
  {
    name: "drain-ms",
    argument: "MS",
    description: "how long calls under way may take at shutdown; 5000 by default",
  },
] as const satisfies readonly SettingSpec[];

export type SettingName = (typeof settings)[number]["name"];
