import type { EntryId, MemberId } from "./entry";

/** What became of a proposal. Accepted means appended to this leader's log, not yet committed. */
export type ProposeOutcome =
  | { readonly kind: "accepted"; readonly first: EntryId; readonly last: EntryId }
  | { readonly kind: "not_leader"; readonly leaderId: MemberId | null }
  /** Too many bytes are uncommitted: nothing was appended. */
  | { readonly kind: "full" }
  /** Leadership is being handed to `target`: nothing was appended. */
  | { readonly kind: "transferring"; readonly target: MemberId };

/** What became of the proposal of a configuration. */
export type ProposeConfigurationOutcome =
  | ProposeOutcome
  /** An earlier change is not applied yet, or could be in what this leader found in its log: nothing was appended. */
  | { readonly kind: "configuration_pending" }
  /** It may not follow the present one, for a reason in words: nothing was appended. */
  | { readonly kind: "configuration_fault"; readonly fault: string };

/** What became of a state that was installed: "stale" when the log is committed beyond what it has applied. */
export type RestoreOutcome = "restored" | "stale";

/**
 * What became of a read. Accepted means that a read state of the same context may follow; it never does when the
 * leader, its term or a message is lost, so the caller asks again after a while.
 */
export type ReadIndexOutcome =
  | { readonly kind: "accepted" }
  | { readonly kind: "no_leader" }
  /** Too many reads are waiting on this leader. */
  | { readonly kind: "full" };

/** What became of a request to hand over leadership. */
export type TransferOutcome =
  | { readonly kind: "started" }
  /** Sent on to the leader, whose decision it is. */
  | { readonly kind: "forwarded" }
  /** The same transfer is already under way. */
  | { readonly kind: "in_progress" }
  | { readonly kind: "already_leader" }
  /** The target is no voter of the configuration. */
  | { readonly kind: "not_a_voter" }
  | { readonly kind: "no_leader" };

/**
 * What became of a message: "stepped" means looked at, whatever followed; "unknown_peer" that it answers nothing of
 * ours, for its sender is no member; "proposal_dropped" that forwarded proposals found no leader or no room.
 */
export type StepOutcome = "stepped" | "unknown_peer" | "proposal_dropped";
