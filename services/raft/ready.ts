import type { Entry, EntryId, HardState, Index, MemberId } from "./entry";
import type { Message } from "./message";
import type { RoleName } from "./status";

/** What need not survive a restart. */
export interface SoftState {
  readonly role: RoleName;
  readonly leaderId: MemberId | null;
}

/** A read may be served once everything up to `index` is applied. `context` is what readIndex() was given. */
export interface ReadState {
  readonly index: Index;
  readonly context: string;
}

/** A state that a leader holds ready for this member, whose log cannot be gone on with. */
export interface SnapshotOffer {
  readonly from: MemberId;
  /** What it has applied, at least. */
  readonly last: EntryId;
}

/**
 * The effects that the core asks for, as data. The caller, in this order:
 *  1. sends `messages`, at any time from now on, before or while it stores;
 *  2. stores `entries` (replacing whatever the log holds from the first of them on) and `hardState` in one atomic
 *     write, synced when `mustSync`;
 *  3. once that is durable, sends `messagesAfterPersist`, calls persisted() and then applies `committedEntries`, which
 *     may contain entries of this very Ready, and calls applied(). With the config's appliesOnlyDurable they never do,
 *     and are applied at any time from now on, in their order.
 *
 * Several Readys may be outstanding; steps 2 and 3 keep the order of their numbers.
 */
export interface Ready {
  /** Counts up by one from 1 with each Ready. */
  readonly number: number;
  /** null: as in the Ready before. */
  readonly softState: SoftState | null;
  /** null: as in the Ready before, so nothing to store. */
  readonly hardState: HardState | null;
  /** Consecutive entries to store, or none. */
  readonly entries: readonly Entry[];
  /** Carry no promise about what this member has stored. Sent in the order given. */
  readonly messages: readonly Message[];
  /** Promise that this Ready and all before it are durable. Sent in the order given, after `messages`. */
  readonly messagesAfterPersist: readonly Message[];
  /** Consecutive entries to apply, or none; each entry is handed out exactly once. */
  readonly committedEntries: readonly Entry[];
  readonly readStates: readonly ReadState[];
  /** A state to be brought, installed and then told to restore(); null: none was offered since the Ready before. */
  readonly snapshotOffer: SnapshotOffer | null;
  /** Whether the write of step 2 must be durable before step 3: false when at most the commit index changed. */
  readonly mustSync: boolean;
}

/** What the caller reports when a Ready, and all before it, is durable. */
export interface Persisted {
  readonly readyNumber: number;
  /** The id of the last of that Ready's `entries`, null when it had none. */
  readonly last: EntryId | null;
}
