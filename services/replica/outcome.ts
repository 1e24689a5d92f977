import type { Answer, MembershipState } from "#kv";
import type { EntryId, MemberId } from "#raft";

/** What is known of a submitted command. */
export type SubmitOutcome =
  /** Committed and applied; the answer may itself be a refusal, which changed nothing. */
  | { readonly kind: "applied"; readonly answer: Answer; readonly entry: EntryId }
  /** Not applied, and never will be. */
  | { readonly kind: "not_applied"; readonly reason: NotAppliedReason; readonly leaderId: MemberId | null }
  /** May have been applied, or may still be. */
  | { readonly kind: "unknown"; readonly reason: UnknownReason };

export type NotAppliedReason =
  | "not_leader"
  /** Leadership is being handed over. */
  | "transferring"
  /** Too many commands are waiting. */
  | "backlog_full"
  /** No majority of the voters has space left on its disk. */
  | "no_space"
  /** Another leader's entry took the command's place in the log. */
  | "superseded"
  | "stopping";

export type UnknownReason = "leadership_lost" | "store_lost" | "stopping";

/** What a read wants. */
export interface ReadRequest {
  readonly namespace: string;
  readonly consistency: "linearizable" | "stale";
  /** Wait until this revision is applied here; 0 for none. */
  readonly minRevision: number;
  /** Accept state that is at most this old; 0 for none. */
  readonly maxStalenessMs: number;
  /** Read as of this past revision; 0 for the newest. */
  readonly revision: number;
}

/** Where a read may read: everything up to `revision` of that generation is in the state store. */
export interface ReadPoint {
  readonly kind: "ready";
  readonly revision: number;
  readonly term: number;
  readonly appliedIndex: number;
  readonly namespaceId: number;
  readonly generation: number;
}

export type ReadOutcome =
  | ReadPoint
  /** No leader is known, or it was lost while the read waited. */
  | { readonly kind: "no_leader" }
  /** Too many reads are waiting. */
  | { readonly kind: "backlog_full" }
  | { readonly kind: "unknown_namespace" }
  | { readonly kind: "compacted"; readonly oldestRevision: number }
  | { readonly kind: "future_revision"; readonly revision: number }
  | { readonly kind: "cancelled" }
  | { readonly kind: "store_lost" }
  | { readonly kind: "stopping" };

export type TransferResult =
  | { readonly kind: "transferred"; readonly leaderId: MemberId; readonly term: number }
  | { readonly kind: "not_leader"; readonly leaderId: MemberId | null }
  | { readonly kind: "unknown_member" }
  /** It did not lead within the time that a transfer may take; this member goes on leading, or another does. */
  | { readonly kind: "timed_out" };

/** A change of who takes part, or of what is known of a member. Addresses are "host:port". */
export type MembershipRequest =
  /** A learner at first. */
  | {
      readonly kind: "add";
      readonly memberId: MemberId;
      readonly clientAddress: string;
      readonly peerAddress: string;
      readonly priority: number;
      /** Whether the leader makes it a voter as soon as it has caught up. */
      readonly promoteWhenCaughtUp: boolean;
      /** Who leaves, in one step, when it becomes a voter; implies promoteWhenCaughtUp. */
      readonly replaces: MemberId | null;
    }
  | { readonly kind: "promote"; readonly memberId: MemberId }
  | { readonly kind: "remove"; readonly memberId: MemberId }
  /** null: as it is. */
  | {
      readonly kind: "update";
      readonly memberId: MemberId;
      readonly clientAddress: string | null;
      readonly peerAddress: string | null;
      readonly priority: number | null;
    }
  /** Several at once, at most one a member. */
  | { readonly kind: "change"; readonly changes: readonly MembershipChange[] };

export interface MembershipChange {
  readonly kind: "voter" | "learner" | "remove";
  readonly memberId: MemberId;
  /** Of a new learner, else not looked at. */
  readonly clientAddress: string;
  readonly peerAddress: string;
}

export type MembershipOutcome =
  | { readonly kind: "changed"; readonly membership: MembershipState }
  | { readonly kind: "not_leader"; readonly leaderId: MemberId | null }
  | { readonly kind: "unknown_member"; readonly memberId: MemberId }
  | { readonly kind: "member_exists"; readonly memberId: MemberId }
  /** It lacks so many entries. */
  | { readonly kind: "not_caught_up"; readonly memberId: MemberId; readonly lag: number }
  | { readonly kind: "last_voter" }
  /** Of those that would vote, these are not heard of, and the others are no majority. */
  | { readonly kind: "quorum_at_risk"; readonly silent: readonly MemberId[] }
  /** Another change is under way. */
  | { readonly kind: "changing" }
  | { readonly kind: "too_many_members" }
  | { readonly kind: "invalid"; readonly fault: string }
  | Exclude<SubmitOutcome, { kind: "applied" }>;

/** The part of an AbortSignal that a pure folder needs. */
export interface Cancellation {
  readonly aborted: boolean;
  addEventListener(type: "abort", run: () => void): void;
  removeEventListener(type: "abort", run: () => void): void;
}
