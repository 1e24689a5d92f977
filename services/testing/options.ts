import { randomInt } from "node:crypto";
import { type Log, SILENT_LOG } from "@quorate/services/forward";
import { NODES_MAX } from "@quorate/services/launcher";
import { type Profile, type ProfileName, profiles } from "@quorate/services/node";
import { DEFAULT_LOG_KEEPING, type HistoryLimits, type LogKeeping } from "@quorate/services/replica";
import { TestClusterError } from "./test-cluster-error";

/** How a cluster is started. */
export interface ClusterOptions {
  /** How many nodes; 3 by default. */
  readonly nodes?: number;
  /**
   * "memory" (the default): whole replicas and services on memory, joined by a network in memory. "disk": the nodes that
   * run in production, with LevelDB in a temporary directory and gRPC on ports of this machine, all inside this process.
   */
  readonly storage?: "memory" | "disk";
  /** "real" (the default), or "virtual": time stands still until `advance()`; only in memory. */
  readonly clock?: "real" | "virtual";
  /** How often a leader shows itself, and how long followers wait for one; "fast" by default. */
  readonly timing?: ProfileName | Profile;
  /** How many past revisions, and how long, can be read and watched at least; all of them by default. */
  readonly history?: { readonly revisions?: number; readonly ageMs?: number };
  /**
   * How long the Raft log may grow before it is cut, and how many entries a cut leaves; as in production by default. Short
   * ones make that nodes which were away catch up by a snapshot.
   */
  readonly logKeeping?: { readonly entriesMax: number; readonly entriesKept: number };
  /** What all chance in the cluster comes from; drawn anew for each cluster by default. */
  readonly seed?: number;
  /** Where the nodes log to; nowhere by default. A pino logger fits. */
  readonly log?: Log;
}

/** The same with everything said. */
export interface CheckedOptions {
  readonly nodes: number;
  readonly storage: "memory" | "disk";
  readonly clock: "real" | "virtual";
  readonly profile: Profile;
  readonly history: HistoryLimits;
  readonly logKeeping: LogKeeping;
  readonly seed: number;
  readonly log: Log;
}

/** @throws TestClusterError that names the option which is wrong, and what would be right */
export function checkedOptions(options: ClusterOptions): CheckedOptions {
  const { nodes = 3, storage = "memory", clock = "real", timing = "fast", log = SILENT_LOG } = options;
  const seed = options.seed ?? randomInt(2 ** 32);
  if (!(Number.isInteger(nodes) && nodes >= 1 && nodes <= NODES_MAX)) {
    throw new TestClusterError(`nodes must be a whole number from 1 to ${NODES_MAX}, not ${nodes}`);
  }
  checkChoice("storage", storage, ["memory", "disk"]);
  checkChoice("clock", clock, ["real", "virtual"]);
  if (storage === "disk" && clock === "virtual") {
    throw new TestClusterError(
      'clock "virtual" goes with storage "memory" only: disks and sockets take real time',
    );
  }
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)) {
    throw new TestClusterError(`seed must be a whole number from 0 to 4294967295, not ${seed}`);
  }
  if (typeof timing === "string") checkChoice("timing", timing, Object.keys(profiles));
  const profile = typeof timing === "string" ? profiles[timing] : timing;
  if (!(profile.heartbeatMs > 0 && profile.electionTimeoutMs > profile.heartbeatMs)) {
    throw new TestClusterError(
      "timing must have an electionTimeoutMs above its heartbeatMs, and both above 0",
    );
  }
  const { revisions, ageMs } = options.history ?? {};
  for (const [name, bound] of [
    ["history.revisions", revisions],
    ["history.ageMs", ageMs],
  ] as const) {
    if (bound !== undefined && !(Number.isSafeInteger(bound) && bound >= 1)) {
      throw new TestClusterError(`${name} must be a whole number of at least 1, not ${bound}`);
    }
  }
  const history = { revisionsMax: revisions ?? null, ageMsMax: ageMs ?? null };
  const { entriesMax, entriesKept } = options.logKeeping ?? DEFAULT_LOG_KEEPING;
  if (!(Number.isSafeInteger(entriesMax) && entriesMax >= 1)) {
    throw new TestClusterError(
      `logKeeping.entriesMax must be a whole number of at least 1, not ${entriesMax}`,
    );
  }
  if (!(Number.isSafeInteger(entriesKept) && entriesKept >= 0 && entriesKept < entriesMax)) {
    throw new TestClusterError(
      `logKeeping.entriesKept must be a whole number from 0 to below entriesMax, not ${entriesKept}`,
    );
  }
  const logKeeping = { ...DEFAULT_LOG_KEEPING, entriesMax, entriesKept };
  return { nodes, storage, clock, profile, history, logKeeping, seed, log };
}

function checkChoice(name: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new TestClusterError(`${name} must be one of ${choices.join(", ")}, not "${value}"`);
}
