import type { StoredRecord } from "./record";

/** The newest record of one key. */
export interface KeyRead {
  readonly namespaceId: number;
  readonly generation: number;
  readonly key: Uint8Array;
  /** Without the value a read costs less; valueBytes is known all the same. */
  readonly withValue: boolean;
}

/** The newest records of a range, in order, without values: the first `limit` of them. */
export interface RangeRead {
  readonly namespaceId: number;
  readonly generation: number;
  /** Inclusive; empty for the start. */
  readonly start: Uint8Array;
  /** Exclusive; null for the end of the generation. */
  readonly end: Uint8Array | null;
  readonly limit: number;
}

/** What a batch of commands needs from the store, declared before it is applied, so that applying is synchronous. */
export interface StateReads {
  readonly keys: readonly KeyRead[];
  readonly ranges: readonly RangeRead[];
}

/** The answers to StateReads, as of the last write. Asking for what was not declared is a bug and throws. */
export interface StateView {
  /** null when there is no such key now. Of a key that was declared with and without its value, it has the value. */
  get(namespaceId: number, generation: number, key: Uint8Array): StoredRecord | null;
  /** By position in StateReads.ranges. */
  range(position: number): readonly StoredRecord[];
}
