import { DEFAULT_LIMITS, type Limits, TIME_MS_MAX } from "#kv";
import { DEFAULT_BOUNDS, DEFAULT_LOG_KEEPING, type HistoryLimits, type LogKeeping } from "#replica";
import { type LogLevel, logLevels, type MemberAddresses } from "#rpc";
import { advertisedAddressFault, listenAddressFault, readSettings, type SettingFault } from "#settings";
import { assert } from "#std";
import { ID_RULE, idFault, membersOf, peerRoutesOf } from "./member-list";
import { type Profile, type ProfileName, profiles } from "./profile";
import { type SettingName, settings } from "./settings";
import { readAll, Values, WrongSetting, WrongSettings } from "./values";

/** Everything that a node is started with. */
export interface NodeConfig {
  readonly id: string;
  /** null: whatever cluster the data directory belongs to. */
  readonly clusterId: string | null;
  /** As given, sorted by id, this node included; none where the data directory is to tell. */
  readonly members: readonly MemberAddresses[];
  readonly dataDir: string;
  readonly start: NodeStart;
  /** host:port, where others reach this node; null: where the cluster has it. */
  readonly advertiseClient: string | null;
  readonly advertisePeer: string | null;
  /** host:port where this node reaches the peer service of a member, whatever the cluster has. */
  readonly peerRoutes: ReadonlyMap<string, string>;
  /** host:port; null: the address where others reach it. */
  readonly listenClient: string | null;
  readonly listenPeer: string | null;
  /** host:port; null: nowhere. */
  readonly listenMetrics: string | null;
  /** Whether calls and writes become spans. */
  readonly tracing: boolean;
  readonly profile: Profile;
  readonly forwarding: boolean;
  /** Whether it reads by a lease while it leads, and helps other leaders to theirs. */
  readonly leaseReads: boolean;
  readonly logLevel: LogLevel;
  readonly limits: Limits;
  readonly history: HistoryLimits;
  readonly logKeeping: LogKeeping;
  /** Images of the state that are sent at a time. */
  readonly snapshotsSendingMax: number;
  /** How often replicas are compared at most; null: never. */
  readonly verifyIntervalMs: number | null;
  /** Of the data directory's file system; 0: no such bound. */
  readonly freeBytesMin: number;
  /** How long a start that needs help of other nodes goes on without any. */
  readonly joinTimeoutMs: number;
  readonly drainMs: number;
}

/** Where the data of a node comes from. What makes a directory opens one that is there already. */
export type NodeStart =
  /** It is there. */
  | { readonly kind: "open" }
  /** The first start of the cluster: there is none. */
  | { readonly kind: "bootstrap" }
  /** The same, with what a backup holds. */
  | { readonly kind: "restore"; readonly file: string }
  /** From other nodes: `seeds` are client addresses of any of them. */
  | { readonly kind: "join"; readonly seeds: readonly string[]; readonly as: "voter" | "learner" }
  /** It is there, and goes on as the only member of a new cluster. */
  | { readonly kind: "force_new_cluster" };

export type NodeConfigOutcome =
  | { readonly kind: "config"; readonly config: NodeConfig }
  /** No node is to be started: a backup file is to be looked at. */
  | { readonly kind: "verify_backup"; readonly file: string }
  | { readonly kind: "help"; readonly text: string }
  | SettingFault;

export const PROGRAM_NAME = "quorate-node";

const MIB = 1024 * 1024;
const VERIFY_INTERVAL_MS_MIN = 100;

type NodeValues = Values<SettingName>;

type NodePlace = Pick<
  NodeConfig,
  "id" | "clusterId" | "members" | "start" | "advertiseClient" | "advertisePeer"
>;

/** @param argv the arguments after the name of the program */
export function nodeConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): NodeConfigOutcome {
  const read = readSettings(
    { name: PROGRAM_NAME, description: "One node of a Quorate cluster.", settings },
    argv,
    env,
  );
  if (read.kind !== "read") return read;
  try {
    const values: NodeValues = new Values(read.values);
    const file = values.filled("verify-backup", "give the file that is to be checked");
    if (file !== null) return { kind: "verify_backup", file };
    return { kind: "config", config: configOf(values) };
  } catch (error) {
    if (error instanceof WrongSetting) return faultOf([error]);
    if (error instanceof WrongSettings) return faultOf(error.faults);
    throw error;
  }
}

function faultOf([first, ...more]: readonly WrongSetting[]): SettingFault {
  assert(first !== undefined, "something is wrong");
  const faults = more.map(({ setting, problem }) => ({ kind: "fault" as const, setting, problem }));
  const { setting, problem } = first;
  return { kind: "fault", setting, problem, ...(faults.length === 0 ? {} : { more: faults }) };
}

function configOf(values: NodeValues): NodeConfig {
  const { place, ...rest } = readAll<Omit<NodeConfig, keyof NodePlace> & { readonly place: NodePlace }>({
    place: () => placeOf(values),
    dataDir: () => values.required("data-dir", "give the directory where this node keeps its data"),
    peerRoutes: () => peerRoutesOf(values.text("peer-routes")),
    listenClient: () => values.address("listen-client", listenAddressFault),
    listenPeer: () => values.address("listen-peer", listenAddressFault),
    listenMetrics: () => values.address("listen-metrics", listenAddressFault),
    tracing: () => values.choice("tracing", ["on", "off"], "off") === "on",
    profile: () => profileOf(values),
    forwarding: () => values.choice("forwarding", ["on", "off"], "on") === "on",
    leaseReads: () => values.choice("lease-reads", ["on", "off"], "off") === "on",
    logLevel: () => values.choice("log-level", logLevels, "info"),
    limits: () => limitsOf(values),
    history: () => historyOf(values),
    logKeeping: () => logKeepingOf(values),
    snapshotsSendingMax: () =>
      values.whole("snapshots-sending-max", { min: 1, max: 64, otherwise: DEFAULT_BOUNDS.imagesMax }),
    verifyIntervalMs: () => verifyIntervalOf(values),
    freeBytesMin: () =>
      values.whole("free-bytes-min", { min: 0, max: Number.MAX_SAFE_INTEGER, otherwise: 256 * MIB }),
    joinTimeoutMs: () => values.whole("join-timeout-ms", { min: 1000, max: TIME_MS_MAX, otherwise: 60_000 }),
    drainMs: () => values.whole("drain-ms", { min: 0, max: 600_000, otherwise: 5000 }),
  });
  return { ...place, ...rest };
}

/** Who the node is, where, and among whom: these lean on one another, so the first that is wrong says enough. */
function placeOf(values: NodeValues): NodePlace {
  const id = checkedId("id", values.required("id", ID_RULE));
  const given = values.text("cluster-id");
  const clusterId = given === undefined ? null : checkedId("cluster-id", given);
  const start = startOf(values, id);
  const members = memberList(values, id, start);
  const own = members.find((member) => member.id === id);
  const advertiseClient =
    values.address("advertise-client", advertisedAddressFault) ?? own?.clientAddress ?? null;
  const advertisePeer = values.address("advertise-peer", advertisedAddressFault) ?? own?.peerAddress ?? null;
  if (advertiseClient !== null && advertiseClient === advertisePeer) {
    throw new WrongSetting(
      "advertise-peer",
      `${advertisePeer} is the client address too; peers and clients are served at different ports`,
    );
  }
  checkIdentity(start, { clusterId, advertiseClient, advertisePeer });
  return { id, clusterId, members, start, advertiseClient, advertisePeer };
}

function checkedId(name: SettingName, id: string): string {
  const fault = idFault(id);
  if (fault !== null) throw new WrongSetting(name, fault);
  return id;
}

function startOf(values: NodeValues, id: string): NodeStart {
  const bootstrap = values.switch("bootstrap");
  const file = values.filled("restore", "give the backup that the cluster begins with");
  const join = values.filled("join", "give the client addresses of nodes that run, HOST:PORT");
  const as = values.choice("join-as", ["voter", "learner"], "voter");
  const forced = values.filled("force-new-cluster", `give this node's own id, ${id}, if you mean it`);
  if (file !== null && !bootstrap) {
    throw new WrongSetting(
      "restore",
      "begins a new cluster: give bootstrap, members and a new cluster-id with it",
    );
  }
  const given = [bootstrap && "bootstrap", join !== null && "join", forced !== null && "force-new-cluster"];
  const [one, other] = given.filter((name) => name !== false);
  if (one !== undefined && other !== undefined) {
    throw new WrongSetting(other, `cannot be given together with ${one}; give one of them`);
  }
  if (forced !== null && forced !== id) {
    throw new WrongSetting(
      "force-new-cluster",
      `"${forced}" is not this node's id, ${id}: give that, to say that the other members are lost for ever`,
    );
  }
  if (forced !== null) return { kind: "force_new_cluster" };
  if (join !== null) return { kind: "join", seeds: seedsOf(join), as };
  if (file !== null) return { kind: "restore", file };
  return { kind: bootstrap ? "bootstrap" : "open" };
}

function seedsOf(text: string): readonly string[] {
  const seeds = text.split(",").map((part) => part.trim());
  for (const seed of seeds) {
    const fault = advertisedAddressFault(seed);
    if (fault !== null) throw new WrongSetting("join", fault);
  }
  return seeds;
}

function memberList(values: NodeValues, id: string, start: NodeStart): readonly MemberAddresses[] {
  const text = values.filled("members", "give ID=CLIENT/PEER for each member, separated by commas");
  if (text === null) {
    if (start.kind !== "bootstrap" && start.kind !== "restore") return [];
    throw new WrongSetting(
      "members",
      "is missing; at its first start a cluster is given ID=CLIENT/PEER for each member, separated by commas",
    );
  }
  const members = membersOf(text);
  if (members.some((member) => member.id === id)) return members;
  const ids = members.map((member) => member.id).join(", ");
  throw new WrongSetting("members", `does not contain this node, ${id}; it has ${ids}`);
}

/** What a start cannot do without. */
function checkIdentity(
  start: NodeStart,
  given: Pick<NodeConfig, "clusterId" | "advertiseClient" | "advertisePeer">,
): void {
  const clusterIdWhy = {
    open: null,
    join: null,
    bootstrap: "a cluster is bootstrapped with the same id on each node",
    restore: "a restored cluster is a new one, with an id of its own that is the same on each node",
    force_new_cluster:
      "the new cluster has an id of its own, by which members of the old one are known and refused",
  } as const satisfies Record<NodeStart["kind"], string | null>;
  const why = clusterIdWhy[start.kind];
  if (why !== null && given.clusterId === null) throw new WrongSetting("cluster-id", `is missing; ${why}`);
  if (start.kind !== "join") return;
  for (const [name, address] of [
    ["advertise-client", given.advertiseClient],
    ["advertise-peer", given.advertisePeer],
  ] as const) {
    if (address === null)
      throw new WrongSetting(name, "is missing; a new member says where others reach it, HOST:PORT");
  }
}

function profileOf(values: NodeValues): Profile {
  const name = values.choice("profile", Object.keys(profiles) as ProfileName[], "default");
  const heartbeatMs = values.whole("heartbeat-ms", {
    min: 5,
    max: 60_000,
    otherwise: profiles[name].heartbeatMs,
  });
  const electionTimeoutMs = values.whole("election-timeout-ms", {
    min: 1,
    max: 600_000,
    otherwise: profiles[name].electionTimeoutMs,
  });
  if (electionTimeoutMs <= heartbeatMs) {
    throw new WrongSetting(
      "election-timeout-ms",
      `${electionTimeoutMs} must be above heartbeat-ms, which is ${heartbeatMs}; ten times is usual`,
    );
  }
  return { heartbeatMs, electionTimeoutMs };
}

function limitsOf(values: NodeValues): Limits {
  const limits = readAll<Limits>({
    keyBytesMax: () =>
      values.whole("key-bytes-max", { min: 1, max: 65_536, otherwise: DEFAULT_LIMITS.keyBytesMax }),
    valueBytesMax: () =>
      values.whole("value-bytes-max", { min: 1, max: 3 * MIB, otherwise: DEFAULT_LIMITS.valueBytesMax }),
    requestBytesMax: () =>
      values.whole("request-bytes-max", {
        min: 1024,
        max: 16 * MIB,
        otherwise: DEFAULT_LIMITS.requestBytesMax,
      }),
    txnOperationsMax: () =>
      values.whole("txn-operations-max", { min: 1, max: 1024, otherwise: DEFAULT_LIMITS.txnOperationsMax }),
    batchRecordsMax: () =>
      values.whole("batch-records-max", {
        min: 1,
        max: 1_000_000,
        otherwise: DEFAULT_LIMITS.batchRecordsMax,
      }),
  });
  const largestWriteBytes = limits.keyBytesMax + limits.valueBytesMax;
  if (limits.requestBytesMax <= largestWriteBytes) {
    throw new WrongSetting(
      "request-bytes-max",
      `${limits.requestBytesMax} must be above key-bytes-max and value-bytes-max together, which are ${largestWriteBytes}`,
    );
  }
  return limits;
}

/** What is beyond either bound is given up; 0 is no bound. */
function historyOf(values: NodeValues): HistoryLimits {
  const revisions = values.whole("history-revisions", {
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    otherwise: 100_000,
  });
  const ageMs = values.whole("history-ms", { min: 0, max: TIME_MS_MAX, otherwise: 0 });
  return { revisionsMax: revisions === 0 ? null : revisions, ageMsMax: ageMs === 0 ? null : ageMs };
}

function logKeepingOf(values: NodeValues): LogKeeping {
  const entriesMax = values.whole("log-entries-max", {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    otherwise: DEFAULT_LOG_KEEPING.entriesMax,
  });
  const entriesKept = values.whole("log-entries-kept", {
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    otherwise: Math.min(DEFAULT_LOG_KEEPING.entriesKept, Math.floor(entriesMax / 2)),
  });
  if (entriesKept >= entriesMax) {
    throw new WrongSetting(
      "log-entries-kept",
      `${entriesKept} must be below log-entries-max, which is ${entriesMax}; a tenth of it is usual`,
    );
  }
  const bytesMax = values.whole("log-bytes-max", {
    min: 1024,
    max: Number.MAX_SAFE_INTEGER,
    otherwise: DEFAULT_LOG_KEEPING.bytesMax,
  });
  return { entriesMax, bytesMax, entriesKept };
}

function verifyIntervalOf(values: NodeValues): number | null {
  const intervalMs = values.whole("verify-interval-ms", { min: 0, max: TIME_MS_MAX, otherwise: 10_000 });
  if (intervalMs > 0 && intervalMs < VERIFY_INTERVAL_MS_MIN) {
    throw new WrongSetting(
      "verify-interval-ms",
      `"${intervalMs}" must be 0 for never, or a whole number from ${VERIFY_INTERVAL_MS_MIN} to ${TIME_MS_MAX}`,
    );
  }
  return intervalMs === 0 ? null : intervalMs;
}
