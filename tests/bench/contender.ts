import type { Driver } from "./driver";
import type { ProcessUsage } from "./process-usage";
import type { Route } from "./workload";

/** What can run beside and be compared with: etcd, or the same store with few keys. */
export const OPPONENTS = ["etcd", "few-keys"] as const;
export type OpponentName = (typeof OPPONENTS)[number];

/** What is measured. */
export type ContenderName = "quorate" | OpponentName;

/** How many keys few are. */
export const FEW_KEYS = 20_000;

/** How tables call what a multiple is of. */
export const OPPONENT_TITLES = {
  etcd: "etcd through npm etcd3",
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
  driver(route: Route): Promise<Driver>;
  /** Waits until all members have applied everything. */
  level(): Promise<void>;
  probe(): Promise<Probe>;
  stop(): Promise<void>;
}
