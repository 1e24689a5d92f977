import type { StoredRecord } from "./record";

/** The newest record of one key. */
export interface KeyRead {
  readonly namespaceId: number;
  readonly generation: number;
  readonly key: Uint8Array;
  /** Without the value a read costs less; valueBytes is known all the same. */
  readonly withValue: boolean;
}

/**
 * The newest records of a range, in order: the first `limit` of them, or fewer, where their keys come to more than
 * keyBytesMax, or their values are wanted and come to more than valueBytesMax: then the one that passes the bound is the
 * last. RangeMeter tells which.
 */
export interface RangeRead {
  readonly namespaceId: number;
  readonly generation: number;
  /** Inclusive; empty for the start. */
  readonly start: Uint8Array;
  /** Exclusive; null for the end of the generation. */
  readonly end: Uint8Array | null;
  readonly limit: number;
  /** Each record counts for RANGE_RECORD_OVERHEAD_BYTES besides its key. */
  readonly keyBytesMax: number;
  readonly withValues: boolean;
  /** Counts where values are wanted. */
  readonly valueBytesMax: number;
}

/** What a batch of commands needs from the store, declared before it is applied, so that applying is synchronous. */
export interface StateReads {
  readonly keys: readonly KeyRead[];
  readonly ranges: readonly RangeRead[];
}

/** What one command needs. */
export interface CommandReads extends StateReads {
  /**
   * Whether the command must be the first of its batch, for then what it declared is exact; ask again for one that was
   * put off to a later batch. A command with ranges always must.
   */
  readonly startsBatch: boolean;
  /** Whether the command must be the last of its batch: others look at the state as it is after it. */
  readonly endsBatch: boolean;
}

/** The answers to StateReads, as of the last write. Asking for what was not declared is a bug and throws. */
export interface StateView {
  /** null when there is no such key now. Of a key that was declared with and without its value, it has the value. */
  get(namespaceId: number, generation: number, key: Uint8Array): StoredRecord | null;
  /** By position in StateReads.ranges. */
  range(position: number): readonly StoredRecord[];
}
