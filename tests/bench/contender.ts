import type { Driver } from "./driver";
import type { ProcessUsage } from "./process-usage";
import type { Route } from "./workload";

/** Stores that can be measured. */
export const CONTENDERS = ["quorate", "etcd"] as const;
export type ContenderName = (typeof CONTENDERS)[number];

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
