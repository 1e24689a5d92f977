import { endOfPrefix, toBytes } from "#client/bytes";
import { type Codec, decodeAt, encodeAt } from "#client/codec";
import type { KvRecord } from "#client/record";
import type { Transaction, TransactionPutOptions, TransactionScanOptions } from "./transaction";

/** One item of a collection as a transaction sees it. */
export interface TransactionItem<T> {
  /** The key without the collection's prefix. */
  readonly id: string;
  readonly value: T;
  readonly record: KvRecord;
}

/** What a scan of a collection takes within a transaction: ids without the prefix, `end` exclusive. */
export interface CollectionViewScanOptions extends TransactionScanOptions {
  readonly start?: string;
  readonly end?: string;
}

/** A typed collection within a transaction: `tx.in(collection)`. */
export class CollectionView<T, Input = T> {
  readonly #tx: Transaction;
  readonly #prefix: string;
  readonly #codec: Codec<T, Input>;

  /** Views are made by `tx.in(collection)`. */
  constructor(tx: Transaction, prefix: string, codec: Codec<T, Input>) {
    this.#tx = tx;
    this.#prefix = prefix;
    this.#codec = codec;
  }

  /** The value, or undefined when there is no such id. */
  async get(id: string): Promise<T | undefined> {
    const record = await this.#tx.get(this.#prefix + id);
    return record === undefined ? undefined : decodeAt(record.keyBytes, record.bytes, this.#codec);
  }

  /** Writes a value when the transaction commits. */
  put(id: string, value: Input, options?: TransactionPutOptions): void {
    const key = this.#prefix + id;
    this.#tx.put(key, encodeAt(key, value, this.#codec), options);
  }

  /** Deletes a value when the transaction commits. */
  delete(id: string): void {
    this.#tx.delete(this.#prefix + id);
  }

  /** Adds to a counter of the collection; for values of the codec `integer`. */
  increment(id: string, by?: number | bigint): Promise<bigint> {
    return this.#tx.increment(this.#prefix + id, by);
  }

  /** The items in the order of their ids. */
  async scan(options: CollectionViewScanOptions = {}): Promise<readonly TransactionItem<T>[]> {
    const { start = "", end, ...limit } = options;
    const range = {
      start: this.#prefix + start,
      end: end === undefined ? endOfPrefix(toBytes(this.#prefix)) : this.#prefix + end,
    };
    return (await this.#tx.scan(range, limit)).map((record) => ({
      id: record.key.slice(this.#prefix.length),
      value: decodeAt(record.keyBytes, record.bytes, this.#codec),
      record,
    }));
  }
}
