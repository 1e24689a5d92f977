import type { RaftStatus } from "#raft";

/** What a replica knows of itself. */
export interface ReplicaStatus {
  readonly raft: RaftStatus;
  /** The last entry whose effects can be read here. */
  readonly appliedIndex: number;
  readonly revision: number;
  /** Replicated time. */
  readonly timeMs: number;
  readonly sessions: number;
  /** Over all namespaces. */
  readonly keys: number;
  /** Of the keys and newest values, over all namespaces. */
  readonly bytes: number;
  /** Submitted and without an outcome. */
  readonly openCommands: number;
  /** That wait for a round, its index or a revision. */
  readonly openReads: number;
  /** Since the log was opened. */
  readonly log: { readonly syncs: number; readonly entriesSynced: number };
  /** The log may be cut up to here. */
  readonly checkpointIndex: number;
}
