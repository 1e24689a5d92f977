import { toText } from "#client/bytes";
import { type Codec, decodeAt } from "#client/codec";
import type { KvRecord } from "#client/record";

/** A typed value with the record it was read from. */
export interface CollectionItem<out T> {
  /** The key without the collection's prefix. */
  readonly id: string;
  readonly value: T;
  readonly record: KvRecord;
}

/** An item whose value is read when it is first asked for, so that one that cannot be read disturbs no other. */
export class LazyItem<out T> implements CollectionItem<T> {
  readonly id: string;
  readonly record: KvRecord;
  readonly #codec: Codec<T, never>;
  #decoded: { readonly value: T } | null = null;

  constructor(id: string, record: KvRecord, codec: Codec<T, never>) {
    this.id = id;
    this.record = record;
    this.#codec = codec;
  }

  /** @throws QuorateError INVALID_ARGUMENT that names the key, when the codec refuses the stored bytes */
  get value(): T {
    this.#decoded ??= { value: decodeAt(this.record.keyBytes, this.record.bytes, this.#codec) };
    return this.#decoded.value;
  }
}

/** The id of a key in a collection; null for a key that is not text, which no id stands for. */
export function idOf(keyBytes: Uint8Array, prefix: string): string | null {
  try {
    return toText(keyBytes).slice(prefix.length);
  } catch {
    return null;
  }
}
