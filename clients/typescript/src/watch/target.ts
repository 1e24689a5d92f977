import type { WatchCreate } from "@quorate/proto/kv";
import { type BytesLike, endOfPrefix, toBytes } from "#client/bytes";
import { invalidArgument } from "#client/errors";
import { toCount } from "#client/numbers";
import { type KeyRange, rangeFields } from "#client/range";

/** What to watch: one key, all keys with a prefix, those of a range, or (with `{}`) all of the namespace. */
export type WatchTarget = BytesLike | KeyRange;

/** What a watch takes. */
export interface WatchOptions {
  /**
   * The first revision whose changes are told, 1 or more; without it those made after the watch has begun. To go on where
   * an earlier watch was: its `revision` + 1. Fails with COMPACTED when that history is gone.
   */
  readonly fromRevision?: number;
  /** Tells the present records first (`current`, in bytewise order, then one `synced`), then what follows them. */
  readonly currentState?: boolean;
  /** Tells with each change the record that was there before. */
  readonly previous?: boolean;
  /** Whether puts are told; true by default. */
  readonly puts?: boolean;
  /** Whether deletions are told; true by default. */
  readonly deletes?: boolean;
  /** Ends the watch when aborted. */
  readonly signal?: AbortSignal;
  /** The namespace; the client's own by default. */
  readonly namespace?: string;
  /** Is told how far the watch has come: all changes up to this revision have been taken. Every few seconds at least. */
  readonly onProgress?: (revision: number) => void;
  /**
   * How long the watch may take to begin, in milliseconds; the client's `deadlineMs` by default. One that has begun waits
   * for ever: it goes on as soon as some endpoint serves it again.
   */
  readonly deadlineMs?: number;
}

/** The part of a request that stays the same for the whole life of a watch. */
export type WatchFields = Omit<WatchCreate, "watchId" | "startRevision" | "withCurrentState">;

/** The request's fields. @throws QuorateError INVALID_ARGUMENT */
export function watchFields(target: WatchTarget, options: WatchOptions, namespace: string): WatchFields {
  checkOptions(options);
  const isKey = typeof target === "string" || target instanceof Uint8Array;
  const key = isKey ? toBytes(target) : NONE;
  if (isKey && key.length === 0) {
    throw invalidArgument("the key to watch is empty: to watch all keys, write {}");
  }
  return {
    namespace,
    key: Uint8Array.from(key),
    ...(isKey ? { start: NONE, end: NONE, prefix: NONE } : rangeFields(target)),
    withPrevious: options.previous ?? false,
    noPut: options.puts === false,
    noDelete: options.deletes === false,
    progressIntervalMs: 0n,
  };
}

/** The same keys as a range from start (inclusive) to end (exclusive, empty for no end). */
export function rangeOf({ key, start, end, prefix }: WatchFields): { start: Uint8Array; end: Uint8Array } {
  if (key.length > 0) return { start: key, end: Uint8Array.of(...key, 0) };
  return prefix.length > 0 ? { start: prefix, end: endOfPrefix(prefix) } : { start, end };
}

const NONE = new Uint8Array(0);

function checkOptions({ fromRevision, currentState }: WatchOptions): void {
  if (fromRevision === undefined) return;
  if (toCount(fromRevision, "fromRevision") === 0n) throw invalidArgument("fromRevision must be at least 1");
  if (currentState === true) {
    throw invalidArgument("a watch has fromRevision or currentState, not both");
  }
}
