import { DEFAULT_LIMITS, type Limits, TIME_MS_MAX } from "#kv";
import type { HistoryLimits } from "#replica";
import type { MemberAddresses } from "#rpc";
import {
  advertisedAddressFault,
  listenAddressFault,
  readSettings,
  type SettingFault,
  type SettingSpec,
} from "#settings";
import { compareStrings } from "#std";
import { type Profile, type ProfileName, profiles } from "./profile";

/** Everything that a node is started with. */
export interface NodeConfig {
  readonly id: string;
  /** null: whatever cluster the data directory belongs to. */
  readonly clusterId: string | null;
  /** Sorted by id, this node included. */
  readonly members: readonly MemberAddresses[];
  readonly dataDir: string;
  /** Whether the data directory may be made: only at the very first start of the cluster. */
  readonly bootstrap: boolean;
  readonly profile: Profile;
  readonly forwarding: boolean;
  readonly logLevel: string;
  /** host:port; the advertised ones unless given. */
  readonly listenClient: string;
  readonly listenPeer: string;
  readonly limits: Limits;
  readonly history: HistoryLimits;
  readonly drainMs: number;
}

export type NodeConfigOutcome =
  | { readonly kind: "config"; readonly config: NodeConfig }
  | { readonly kind: "help"; readonly text: string }
  | SettingFault;

export const PROGRAM_NAME = "quorate-node";

const settings = [
  { name: "id", argument: "ID", description: "this member's id, such as n1" },
  {
    name: "cluster-id",
    argument: "ID",
    description: "the cluster that the node belongs to, the same on each node",
  },
  {
    name: "members",
    argument: "ID=CLIENT/PEER,…",
    description: "all members with the HOST:PORT of their client and peer services",
  },
  { name: "data-dir", argument: "DIRECTORY", description: "where this node keeps its data" },
  {
    name: "bootstrap",
    argument: null,
    description: "make the data directory; only at the very first start of the cluster",
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
    name: "log-level",
    argument: "LEVEL",
    description: "debug, info, warn, error or silent; info by default",
  },
  {
    name: "listen-client",
    argument: "HOST:PORT",
    description: "where to serve clients, if not at the address in members",
  },
  {
    name: "listen-peer",
    argument: "HOST:PORT",
    description: "where to serve peers, if not at the address in members",
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
    name: "drain-ms",
    argument: "MS",
    description: "how long calls under way may take at shutdown; 5000 by default",
  },
] as const satisfies readonly SettingSpec[];

type SettingName = (typeof settings)[number]["name"];

const LOG_LEVELS: readonly string[] = ["debug", "info", "warn", "error", "silent"];
const ID_SHAPE = /^[A-Za-z0-9._-]{1,64}$/;
const ID_RULE = "an id is 1 to 64 letters, digits, dots, dashes or underscores";

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
    return { kind: "config", config: configOf(new Values(read.values)) };
  } catch (error) {
    if (error instanceof WrongSetting)
      return { kind: "fault", setting: error.setting, problem: error.problem };
    throw error;
  }
}

function configOf(values: Values): NodeConfig {
  const id = values.required("id", ID_RULE);
  if (!ID_SHAPE.test(id)) throw new WrongSetting("id", `"${id}" is no id; ${ID_RULE}`);
  const clusterId = values.text("cluster-id");
  if (clusterId !== undefined && !ID_SHAPE.test(clusterId)) {
    throw new WrongSetting("cluster-id", `"${clusterId}" is no id; ${ID_RULE}`);
  }
  const bootstrap = values.choice("bootstrap", ["true", "false"], "false") === "true";
  if (bootstrap && clusterId === undefined) {
    throw new WrongSetting(
      "cluster-id",
      "is missing; a cluster is bootstrapped with the same id on each node",
    );
  }
  const members = membersOf(
    values.required("members", "give ID=CLIENT/PEER for each member, separated by commas"),
  );
  const own = members.find((member) => member.id === id);
  if (own === undefined) {
    const ids = members.map((member) => member.id).join(", ");
    throw new WrongSetting("members", `does not contain this node, ${id}; it has ${ids}`);
  }
  return {
    id,
    clusterId: clusterId ?? null,
    members,
    dataDir: values.required("data-dir", "give the directory where this node keeps its data"),
    bootstrap,
    profile: profileOf(values),
    forwarding: values.choice("forwarding", ["on", "off"], "on") === "on",
    logLevel: values.choice("log-level", LOG_LEVELS, "info"),
    listenClient: listenAddress(values, "listen-client", own.clientAddress),
    listenPeer: listenAddress(values, "listen-peer", own.peerAddress),
    limits: limitsOf(values),
    history: historyOf(values),
    drainMs: values.whole("drain-ms", { min: 0, max: 600_000, otherwise: 5000 }),
  };
}

function membersOf(text: string): readonly MemberAddresses[] {
  const members = text.split(",").map((part): MemberAddresses => {
    const shape = /^([^=]*)=([^/]*)\/(.*)$/.exec(part.trim());
    if (shape === null)
      throw new WrongSetting("members", `"${part}" is not ID=CLIENTHOST:PORT/PEERHOST:PORT`);
    const [, id = "", clientAddress = "", peerAddress = ""] = shape;
    if (!ID_SHAPE.test(id)) throw new WrongSetting("members", `"${id}" is no id; ${ID_RULE}`);
    for (const address of [clientAddress, peerAddress]) {
      const fault = advertisedAddressFault(address);
      if (fault !== null) throw new WrongSetting("members", `${id}: ${fault}`);
    }
    return { id, clientAddress, peerAddress };
  });
  members.sort((left, right) => compareStrings(left.id, right.id));
  const seen = new Map<string, string>();
  for (const { id, clientAddress, peerAddress } of members) {
    for (const name of [`id ${id}`, `address ${clientAddress}`, `address ${peerAddress}`]) {
      const other = seen.get(name);
      if (other !== undefined)
        throw new WrongSetting("members", `${name} occurs twice; each must be one member's own`);
      seen.set(name, id);
    }
  }
  return members;
}

function profileOf(values: Values): Profile {
  const name = values.choice("profile", Object.keys(profiles), "default") as ProfileName;
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

function limitsOf(values: Values): Limits {
  const limits: Limits = {
    keyBytesMax: values.whole("key-bytes-max", {
      min: 1,
      max: 65_536,
      otherwise: DEFAULT_LIMITS.keyBytesMax,
    }),
    valueBytesMax: values.whole("value-bytes-max", {
      min: 1,
      max: 3 * 1024 * 1024,
      otherwise: DEFAULT_LIMITS.valueBytesMax,
    }),
    requestBytesMax: values.whole("request-bytes-max", {
      min: 1024,
      max: 16 * 1024 * 1024,
      otherwise: DEFAULT_LIMITS.requestBytesMax,
    }),
    txnOperationsMax: values.whole("txn-operations-max", {
      min: 1,
      max: 1024,
      otherwise: DEFAULT_LIMITS.txnOperationsMax,
    }),
    batchRecordsMax: values.whole("batch-records-max", {
      min: 1,
      max: 1_000_000,
      otherwise: DEFAULT_LIMITS.batchRecordsMax,
    }),
  };
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
function historyOf(values: Values): HistoryLimits {
  const revisions = values.whole("history-revisions", {
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    otherwise: 100_000,
  });
  const ageMs = values.whole("history-ms", { min: 0, max: TIME_MS_MAX, otherwise: 0 });
  return { revisionsMax: revisions === 0 ? null : revisions, ageMsMax: ageMs === 0 ? null : ageMs };
}

function listenAddress(values: Values, name: SettingName, advertised: string): string {
  const address = values.text(name);
  if (address === undefined) return advertised;
  const fault = listenAddressFault(address);
  if (fault !== null) throw new WrongSetting(name, fault);
  return address;
}

/** Caught where the config is read, and turned into the one line that the program ends with. */
class WrongSetting extends Error {
  readonly setting: string;
  readonly problem: string;

  constructor(setting: SettingName, problem: string) {
    super(`${setting}: ${problem}`);
    this.setting = setting;
    this.problem = problem;
  }
}

/** Settings as text, and what is asked of them. */
class Values {
  private readonly values: ReadonlyMap<string, string>;

  constructor(values: ReadonlyMap<string, string>) {
    this.values = values;
  }

  text(name: SettingName): string | undefined {
    return this.values.get(name);
  }

  required(name: SettingName, rule: string): string {
    const value = this.values.get(name);
    if (value === undefined) throw new WrongSetting(name, `is missing; ${rule}`);
    if (value === "") throw new WrongSetting(name, `must not be empty; ${rule}`);
    return value;
  }

  choice(name: SettingName, choices: readonly string[], otherwise: string): string {
    const value = this.values.get(name) ?? otherwise;
    if (!choices.includes(value))
      throw new WrongSetting(name, `"${value}" must be one of ${choices.join(", ")}`);
    return value;
  }

  whole(
    name: SettingName,
    bounds: { readonly min: number; readonly max: number; readonly otherwise: number },
  ): number {
    const text = this.values.get(name);
    if (text === undefined) return bounds.otherwise;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < bounds.min || value > bounds.max) {
      throw new WrongSetting(name, `"${text}" must be a whole number from ${bounds.min} to ${bounds.max}`);
    }
    return value;
  }
}
