import type { Configuration } from "./configuration";
import type { EntryId, Index, MemberId, Term } from "./entry";

export type RoleName = "follower" | "pre_candidate" | "candidate" | "leader";

/** How a leader feeds a follower: carefully one message at a time, ahead of the answers, or by snapshot. */
export type ProgressState = "probe" | "replicate" | "snapshot";

/** What a leader knows of one member, itself included. */
export interface ProgressStatus {
  readonly id: MemberId;
  readonly state: ProgressState;
  /** Up to here its log is known to equal the leader's. */
  readonly match: Index;
  /** The next entry to send to it. */
  readonly next: Index;
  readonly isLearner: boolean;
  /** Whether it was heard of since the last check of the quorum but one. */
  readonly isRecentlyActive: boolean;
  readonly isPaused: boolean;
  readonly inflightMessages: number;
  readonly inflightBytes: number;
  /** In state snapshot: the index of the snapshot on its way; else 0. */
  readonly pendingSnapshot: Index;
  /** The entries that it needs next are compacted away, so only a snapshot can help it. */
  readonly needsSnapshot: boolean;
  /** Its disk is nearly full, as it last said. */
  readonly isLowOnSpace: boolean;
}

export interface RaftStatus {
  readonly id: MemberId;
  readonly role: RoleName;
  readonly term: Term;
  readonly vote: MemberId | null;
  readonly leaderId: MemberId | null;
  readonly commit: Index;
  readonly applied: Index;
  readonly firstIndex: Index;
  readonly last: EntryId;
  readonly configuration: Configuration;
  /** The member that this leader is handing over to, else null. */
  readonly transferTarget: MemberId | null;
  /** Whether this leader reads by its lease at this moment. */
  readonly hasLease: boolean;
  /** How many reads this member has answered by a lease. */
  readonly leaseReads: number;
  /** The present election timeout of this member, in ticks. */
  readonly randomizedElectionTicks: number;
  /** Sorted by id on a leader, null on any other. */
  readonly progress: readonly ProgressStatus[] | null;
}
