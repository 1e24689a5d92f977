import type { Driver } from "./driver";
import type { KeySpace } from "./key-space";
import type { LoadGenerator } from "./load-generator";
import type { ProcessUsage } from "./process-usage";
import type { Route, Workload } from "./workload";

/** What can run beside and be compared with: etcd through one client or the other, or the same store with few keys. */
export const OPPONENTS = ["etcd", "etcd-go", "few-keys"] as const;
export type OpponentName = (typeof OPPONENTS)[number];

/** What is measured. */
export type ContenderName = "quorate" | OpponentName;

/** How many keys few are. */
export const FEW_KEYS = 20_000;

/** How tables call what a multiple is of. */
export const OPPONENT_TITLES = {
  etcd: "etcd through npm etcd3",
  "etcd-go": "etcd through its own Go client",
  "few-keys": `the same with ${FEW_KEYS.toLocaleString("en")} keys`,
} as const satisfies Record<OpponentName, string>;

/** What the members of a cluster count for themselves, since they started. */
export interface MemberCounters {
  /** Syncs of the log, and of whatever else is synced. */
  readonly syncs: number;
  /** How many log entries the syncs of the log held; null where that is not told. */
  readonly entriesSynced: number | null;
}

/** A cluster at one moment. */
export interface Probe {
  /** The id of the member that leads, or "none". */
  readonly leader: string;
  /** By process: the members, and what else serves them. */
  readonly processes: Readonly<Record<string, ProcessUsage>>;
  /** By member. */
  readonly members: Readonly<Record<string, MemberCounters>>;
}

/** A running cluster of three members that is measured. */
export interface Contender {
  readonly name: ContenderName;
  /** Whether it knows how to carry that out; what it does not is left out. */
  canRun(workload: Workload): boolean;
  /** To be closed by whom it is given to, as the generator is. */
  driver(route: Route): Promise<Driver>;
  generator(workload: Workload, space: KeySpace, seed: number): Promise<LoadGenerator>;
  /** Waits until all members have applied everything. */
  level(): Promise<void>;
  probe(): Promise<Probe>;
}
