import type { ChangeOrigin, KeyRange, StoredRecord } from "#kv";

/** What a watch wants. */
export interface WatchSpec {
  /** Empty means "default". */
  readonly namespace: string;
  /** One key is the range from it to before its successor. */
  readonly range: KeyRange;
  /** The first revision whose events are told; 0 for those after the beginning. */
  readonly startRevision: number;
  /** The present records first, then what follows them; with startRevision 0 only. */
  readonly withCurrentState: boolean;
  readonly withPrevious: boolean;
  readonly puts: boolean;
  readonly deletes: boolean;
  /** Progress is told unasked at least so often while nothing happens; 0 for never. */
  readonly progressIntervalMs: number;
}

/** One change as a watch tells it. Shared by all watches that tell it: the same object, so that it is encoded once. */
export type WatchEvent =
  | {
      readonly kind: "put";
      readonly revision: number;
      readonly record: StoredRecord;
      /** null where it was not asked for, or there was none. */
      readonly previous: StoredRecord | null;
      readonly origin: ChangeOrigin;
    }
  | {
      readonly kind: "delete";
      readonly revision: number;
      readonly key: Uint8Array;
      readonly previous: StoredRecord | null;
      readonly origin: ChangeOrigin;
    }
  | { readonly kind: "truncated"; readonly revision: number; readonly origin: ChangeOrigin };

/** Why a watch ended. */
export type WatchEndReason =
  /** History that it needs is given up; `oldestRevision` is the first that a watch can start from. */
  | "compacted"
  /** Its start_revision lies further ahead than the next revision. */
  | "future_revision"
  | "unknown_namespace"
  /** Its caller took the events too slowly. */
  | "slow"
  /** The node serves as many watches as it may. */
  | "too_many"
  /** No leader is known for so long that this node may be cut off: another may know more. */
  | "no_leader"
  | "backlog_full"
  | "cancelled"
  | "store_lost"
  | "stopping";

/**
 * What a watch tells, in this order: created; then, where it wants the present state, one or more `current`, the last
 * without `more`; then events and progress; at last `ended`. `revision`: all events up to it were told.
 */
export type WatchFrame =
  | { readonly kind: "created"; readonly revision: number }
  | {
      readonly kind: "current";
      readonly revision: number;
      readonly records: readonly StoredRecord[];
      readonly more: boolean;
    }
  | {
      readonly kind: "events";
      readonly revision: number;
      readonly events: readonly WatchEvent[];
      /** Further events of the last one's revision follow; `revision` is then the one before. */
      readonly more: boolean;
    }
  | { readonly kind: "progress"; readonly revision: number }
  | {
      readonly kind: "ended";
      readonly reason: WatchEndReason;
      /** The startRevision to go on from without a gap; 0 where that cannot be. */
      readonly resumeRevision: number;
      /** With "compacted"; else 0. */
      readonly oldestRevision: number;
    };
