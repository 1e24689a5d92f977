import { endOfPrefix, toBytes } from "./bytes";
import type { ConditionalWriteOptions, ReadOptions, WriteOptions } from "./call-options";
import type { Codec } from "./codec";
import type { DeleteResult, Kv, PutOptions, PutResult } from "./kv";
import type { KvRecord } from "./record";
import type { ScanOptions } from "./scan";
import { CollectionView, type Transaction } from "./txn";

/** A typed value with the record it was read from. */
export interface CollectionItem<T> {
  /** The key without the collection's prefix. */
  readonly id: string;
  readonly value: T;
  readonly record: KvRecord;
}

/** What a scan of a collection takes: ids without the prefix, `start` inclusive, `end` exclusive. */
export interface CollectionScanOptions extends Omit<ScanOptions, "keysOnly"> {
  readonly start?: string;
  readonly end?: string;
}

/** The keys that begin with a prefix, with values of one type. Made by `kv.collection(prefix, codec)`. */
export class Collection<T> {
  /** What all keys of the collection begin with. */
  readonly prefix: string;
  readonly #kv: Kv;
  readonly #codec: Codec<T>;

  constructor(kv: Kv, prefix: string, codec: Codec<T>) {
    this.prefix = prefix;
    this.#kv = kv;
    this.#codec = codec;
  }

  /** Writes a value. */
  async put(id: string, value: T, options?: PutOptions): Promise<PutResult> {
    return this.#kv.put(this.prefix + id, this.#codec.encode(value), options);
  }

  /** The value, or undefined when there is no such id (a stored JSON null is null). */
  async get(id: string, options?: ReadOptions): Promise<T | undefined> {
    return (await this.getItem(id, options))?.value;
  }

  /** The value with its record, whose `modRevision` a later conditional write can name. */
  async getItem(id: string, options?: ReadOptions): Promise<CollectionItem<T> | undefined> {
    const record = await this.#kv.get(this.prefix + id, options);
    return record === undefined ? undefined : { id, value: record.as(this.#codec), record };
  }

  /** Deletes a value. */
  async delete(id: string, options?: ConditionalWriteOptions): Promise<DeleteResult> {
    return this.#kv.delete(this.prefix + id, options);
  }

  /** The items in the order of their ids. */
  async *scan(options: CollectionScanOptions = {}): AsyncGenerator<CollectionItem<T>, void, undefined> {
    const { start = "", end, ...rest } = options;
    const range = {
      start: this.prefix + start,
      end: end === undefined ? endOfPrefix(toBytes(this.prefix)) : this.prefix + end,
    };
    for await (const record of this.#kv.scan(range, rest)) {
      yield { id: record.key.slice(this.prefix.length), value: record.as(this.#codec), record };
    }
  }

  /** How many items there are. */
  async count(options?: ReadOptions): Promise<number> {
    return this.#kv.count({ prefix: this.prefix }, options);
  }

  /** The collection as a transaction sees it; usually written `tx.in(collection)`. */
  within(tx: Transaction): CollectionView<T> {
    return new CollectionView(tx, this.prefix, this.#codec);
  }

  /** Adds to a counter of the collection; for values of the codec `integer`. */
  async increment(id: string, by?: number | bigint, options?: WriteOptions): Promise<bigint> {
    return this.#kv.increment(this.prefix + id, by, options);
  }
}
