import type { MembershipState, StateWrites } from "#kv";
import type { MemberId, Term } from "#raft";
import type { ReceiverFailure, StoreFailure } from "./ports";

/** What others may want to hear of. */
export interface ReplicaListener {
  /** Another member, or none, leads now; the term is this member's. */
  leaderChanged?(leaderId: MemberId | null, term: Term): void;
  /** A peer sent what no correct member sends; it was dropped. */
  messageRefused?(from: MemberId, fault: string): void;
  /** The store has written what a batch of commands did; reads may see it from now on. */
  written?(writes: StateWrites): void;
  /** Whether what is committed is to be written at once: else, on a follower, it may wait a tick for more. */
  readonly isWaiting?: () => boolean;
  /** A snapshot took the place of the whole state: what was written() before says nothing of it. */
  installed?(): void;
  /** There was no room for the state of a peer that was to take the place of this member's: it is tried again later. */
  receivingFailed?(failure: ReceiverFailure): void;
  /** Who takes part, or what is known of a member, is so from now on. */
  membershipChanged?(membership: MembershipState): void;
  /** This member takes part no longer, for certain. */
  removed?(): void;
  /** A store failed: everything open was settled, and the replica does nothing more. */
  failed?(failure: StoreFailure): void;
}
