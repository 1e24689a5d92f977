import { type MembershipState, NO_MEMBERS } from "./membership";
import type { StoredRecord } from "./record";

/** The counters of the whole state machine. */
export interface StateMeta {
  /** The revision of the last change; 0 before the first. */
  readonly revision: number;
  /** Replicated time in milliseconds: the sum of all applied Ticks. */
  readonly timeMs: number;
  /** The client id that the next OpenSession gets; from 1, never reused. */
  readonly nextClientId: number;
  readonly nextNamespaceId: number;
  /** The lease id that the next GrantLease gets; from 1, never reused. */
  readonly nextLeaseId: number;
  /** History up to this revision is given up in all namespaces; what was there at this revision can still be read. */
  readonly compactedRevision: number;
  /** How many rounds of comparing replicas were begun. */
  readonly verifyRound: number;
}

/** A key space. Its keys live under its id and present generation; Truncate moves to the next generation. */
export interface NamespaceState {
  readonly id: number;
  readonly name: string;
  readonly generation: number;
  readonly keyCount: number;
  /** Bytes of the keys and newest values. */
  readonly byteCount: number;
  /** Reads at an older revision than this cannot be answered, nor at one before StateMeta.compactedRevision. */
  readonly oldestRevision: number;
  /**
   * Events of an older revision than this cannot be told, nor those up to StateMeta.compactedRevision: after Compact(r)
   * r + 1, after a truncation its own revision.
   */
  readonly firstEventRevision: number;
  /** How many keys it may hold; null for no bound. */
  readonly keysMax: number | null;
  /** What byteCount may be; null for no bound. */
  readonly bytesMax: number | null;
}

export interface SessionState {
  readonly clientId: number;
  readonly namespaceId: number;
  readonly ttlMs: number;
  /**
   * In replicated time; null when the session was opened or used since the last Tick: the next Tick sets it to the time
   * after that Tick plus the ttl. Time stands still between Ticks, so a deadline counted from the time before the use
   * would come early by up to one Tick; this way it is never early, and late by at most one.
   */
  readonly deadlineMs: number | null;
  /** The client has every answer below this sequence. */
  readonly firstUnanswered: number;
}

/** An answer kept for retries: the bytes of a quorate.log.v1.Answer. */
export interface SessionAnswer {
  readonly clientId: number;
  readonly sequence: number;
  readonly answer: Uint8Array;
}

/** A lease. Its keys are deleted together, with one revision, when it ends. */
export interface LeaseState {
  readonly leaseId: number;
  readonly namespaceId: number;
  readonly ttlMs: number;
  /** In replicated time; null when it was granted or renewed since the last Tick: see SessionState.deadlineMs. */
  readonly deadlineMs: number | null;
}

/** A key that is attached to a lease. Of an ended generation it counts for nothing. */
export interface LeaseKey {
  readonly leaseId: number;
  readonly namespaceId: number;
  readonly generation: number;
  readonly key: Uint8Array;
}

/** What the state machine keeps in memory: everything but the records. Loaded when a store is opened. */
export interface ResidentState {
  readonly meta: StateMeta;
  readonly namespaces: readonly NamespaceState[];
  readonly sessions: readonly SessionState[];
  readonly answers: readonly SessionAnswer[];
  readonly membership: MembershipState;
  readonly leases: readonly LeaseState[];
  /** Of present generations only. */
  readonly leaseKeys: readonly LeaseKey[];
}

/** Which operation made a change. */
export type ChangeCause =
  | "put"
  | "delete"
  | "delete_range"
  | "increment"
  | "append"
  | "prepend"
  | "txn"
  | "truncate"
  | "lease_ended"
  | "namespace_deleted";

/** Which call made a change, and when; for display in change events. */
export interface ChangeOrigin {
  readonly cause: ChangeCause;
  readonly wallTimeMs: number;
  readonly requestId: { readonly clientId: number; readonly sequence: number } | null;
}

/** One change of one key, or the emptying of a namespace. `ordinal` counts from 0 within its revision. */
export type Change =
  | {
      readonly kind: "put";
      readonly namespaceId: number;
      readonly generation: number;
      readonly revision: number;
      readonly ordinal: number;
      readonly record: StoredRecord;
      readonly origin: ChangeOrigin;
    }
  | {
      readonly kind: "delete";
      readonly namespaceId: number;
      readonly generation: number;
      readonly revision: number;
      readonly ordinal: number;
      readonly key: Uint8Array;
      readonly origin: ChangeOrigin;
    }
  | {
      readonly kind: "truncate";
      readonly namespaceId: number;
      /** The generation that ended: its keys can be reclaimed. */
      readonly generation: number;
      readonly revision: number;
      readonly ordinal: number;
      readonly origin: ChangeOrigin;
    };

/** What applying a batch of commands does to the store, to be written atomically. Each list holds the last word on its item. */
export interface StateWrites {
  readonly meta: StateMeta;
  readonly namespaces: readonly NamespaceState[];
  readonly sessions: readonly SessionState[];
  /** Sessions that ended: they and all their answers go. */
  readonly sessionsEnded: readonly number[];
  readonly answers: readonly SessionAnswer[];
  /** Those that are below their session's `firstUnanswered`, which is among `sessions`, and no others. */
  readonly answersDropped: readonly { readonly clientId: number; readonly sequence: number }[];
  /** The whole of it where any of it changed, else null. */
  readonly membership: MembershipState | null;
  /** With the generation each was in: its keys can be reclaimed. */
  readonly namespacesDeleted: readonly { readonly id: number; readonly generation: number }[];
  readonly leases: readonly LeaseState[];
  /** Leases that ended, of deleted namespaces too; their keys are among leaseKeysDetached or of an ended generation. */
  readonly leasesEnded: readonly number[];
  /** Detached first: a key that changed its lease is in both. */
  readonly leaseKeysDetached: readonly LeaseKey[];
  readonly leaseKeysAttached: readonly LeaseKey[];
  /** In order of (revision, ordinal); a key may appear more than once, each time a version of its own, and once a revision. */
  readonly changes: readonly Change[];
}

export const DEFAULT_NAMESPACE = "default";

/** The state of a cluster before its first command, but for its members: one empty namespace. */
export const INITIAL_STATE: ResidentState = {
  meta: {
    revision: 0,
    timeMs: 0,
    nextClientId: 1,
    nextNamespaceId: 2,
    nextLeaseId: 1,
    compactedRevision: 0,
    verifyRound: 0,
  },
  namespaces: [
    {
      id: 1,
      name: DEFAULT_NAMESPACE,
      generation: 1,
      keyCount: 0,
      byteCount: 0,
      oldestRevision: 0,
      firstEventRevision: 0,
      keysMax: null,
      bytesMax: null,
    },
  ],
  sessions: [],
  answers: [],
  membership: NO_MEMBERS,
  leases: [],
  leaseKeys: [],
};
