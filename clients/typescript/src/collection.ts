import { endOfPrefix, toBytes } from "./bytes";
import type { ConditionalWriteOptions, ReadOptions, ReplyHeader, WriteOptions } from "./call-options";
import { type Codec, decodeAt, encodeAt } from "./codec";
import {
  type CacheOptions,
  type CollectionEvent,
  type CollectionItem,
  CollectionOperations,
  NearCache,
  typedEvent,
} from "./collections";
import type { Core } from "./core";
import type { BatchGetOptions, DeleteResult, Kv, PutOptions, PutResult } from "./kv";
import type { ScanOptions } from "./scan";
import { CollectionView, type Transaction, type TransactOptions } from "./txn";
import type { Watch, WatchOptions } from "./watch";

/** What a scan of a collection takes: ids without the prefix, `start` inclusive, `end` exclusive. */
export interface CollectionScanOptions extends Omit<ScanOptions, "keysOnly"> {
  readonly start?: string;
  readonly end?: string;
}

/** What a watch of a collection takes. */
export interface CollectionWatchOptions extends WatchOptions {
  /** Only this item; all by default. */
  readonly id?: string;
}

/** What an update takes. */
export interface UpdateOptions extends TransactOptions {
  /** The lease to attach the key to; it stays with the one it has by default. */
  readonly leaseId?: bigint;
}

/** What an update did. */
export interface UpdateResult<Input> {
  /** What was written; undefined where nothing was to be. */
  readonly value: Input | undefined;
  /** The revision that the write made; undefined where nothing was written. */
  readonly revision: number | undefined;
}

/**
 * The keys that begin with a prefix, with values of one type. Made by `kv.collection(prefix, codec)`.
 *
 * @example
 * const users = kv.collection("user/", json<User>());
 * await users.put("ada", { name: "Ada", visits: 0 });
 * await users.update("ada", (user) => user && { ...user, visits: user.visits + 1 });
 * for await (const { id, value } of users.scan()) console.log(id, value.name);
 *
 * @typeParam T what is read
 * @typeParam Input what is written, where that differs
 */
export class Collection<T, Input = T> {
  /** What all keys of the collection begin with. */
  readonly prefix: string;
  /** How values are stored. */
  readonly codec: Codec<T, Input>;
  /** Operations of the collection for `kv.txn()`: `kv.txn().do(users.ops.put("ada", ada))`. */
  readonly ops: CollectionOperations<T, Input>;
  readonly #core: Core;
  readonly #kv: Kv;

  constructor(core: Core, kv: Kv, prefix: string, codec: Codec<T, Input>) {
    this.#core = core;
    this.#kv = kv;
    this.prefix = prefix;
    this.codec = codec;
    this.ops = new CollectionOperations(prefix, codec);
  }

  /** The key of an id: what `compare` and the calls of `kv` take. */
  key(id: string): string {
    return this.prefix + id;
  }

  /** Writes a value. */
  async put(id: string, value: Input, options?: PutOptions): Promise<PutResult> {
    const key = this.key(id);
    return this.#kv.put(key, encodeAt(key, value, this.codec), options);
  }

  /** The value, or undefined when there is no such id (a stored JSON null is null). */
  async get(id: string, options?: ReadOptions): Promise<T | undefined> {
    return (await this.getItem(id, options))?.value;
  }

  /** The value with its record, whose `modRevision` a later conditional write can name. */
  async getItem(id: string, options?: ReadOptions): Promise<CollectionItem<T> | undefined> {
    const record = await this.#kv.get(this.key(id), options);
    return record === undefined ? undefined : { id, value: record.as(this.codec), record };
  }

  /** The values of many ids (at most 10,000) at one revision, in the order asked for. */
  async batchGet(
    ids: readonly string[],
    options?: Omit<BatchGetOptions, "keysOnly">,
  ): Promise<(T | undefined)[]> {
    const records = await this.#kv.batchGet(
      ids.map((id) => this.key(id)),
      options,
    );
    return records.map((record) => record?.as(this.codec));
  }

  /** Deletes a value. */
  async delete(id: string, options?: ConditionalWriteOptions): Promise<DeleteResult> {
    return this.#kv.delete(this.key(id), options);
  }

  /**
   * Changes a value by what it is: `change` is given the present one (undefined where there is none) and returns the new
   * one, or undefined to leave all as it is. It is written only if nobody wrote in between; otherwise `change` is asked
   * again, until the deadline. The key keeps its lease.
   *
   * @example
   * await users.update("ada", (user) => ({ ...(user ?? newcomer), seen: Date.now() }));
   */
  async update(
    id: string,
    change: (present: T | undefined) => Input | undefined | Promise<Input | undefined>,
    options: UpdateOptions = {},
  ): Promise<UpdateResult<Input>> {
    const { leaseId, onHeader, ...rest } = options;
    const key = this.key(id);
    let revision: number | undefined;
    const note = (header: ReplyHeader) => {
      revision = header.revision;
      onHeader?.(header);
    };
    const value = await this.#kv.transact(
      async (tx) => {
        const record = await tx.get(key);
        const changed = await change(record?.as(this.codec));
        if (changed === undefined) return undefined;
        const kept = leaseId ?? record?.leaseId ?? 0n;
        tx.put(key, encodeAt(key, changed, this.codec), { leaseId: kept });
        return changed;
      },
      { ...rest, onHeader: note },
    );
    // An attempt that did not commit was answered too.
    return { value, revision: value === undefined ? undefined : revision };
  }

  /** The items in the order of their ids. */
  async *scan(options: CollectionScanOptions = {}): AsyncGenerator<CollectionItem<T>, void, undefined> {
    const { start = "", end, ...rest } = options;
    const range = {
      start: this.key(start),
      end: end === undefined ? endOfPrefix(toBytes(this.prefix)) : this.key(end),
    };
    for await (const record of this.#kv.scan(range, rest)) {
      const value = decodeAt(record.keyBytes, record.bytes, this.codec);
      yield { id: record.key.slice(this.prefix.length), value, record };
    }
  }

  /** How many items there are. */
  async count(options?: ReadOptions): Promise<number> {
    return this.#kv.count({ prefix: this.prefix }, options);
  }

  /** Adds to a counter of the collection; for values of the codec `integer`. */
  async increment(id: string, by?: number | bigint, options?: WriteOptions): Promise<bigint> {
    return this.#kv.increment(this.key(id), by, options);
  }

  /**
   * Changes of the items as they happen, typed: see {@link Watch}.
   *
   * @example
   * for await (const event of users.watch({ currentState: true })) {
   *   if (event.kind === "put" || event.kind === "current") seen.set(event.id, event.value);
   * }
   */
  watch({ id, ...options }: CollectionWatchOptions = {}): Watch<CollectionEvent<T>> {
    const target = id === undefined ? { prefix: this.prefix } : this.key(id);
    return this.#kv.watch(target, options).map((event) => typedEvent(event, this.prefix, this.codec));
  }

  /**
   * All items in memory, kept coherent by a watch: reads cost nothing and never go back. See {@link NearCache}.
   *
   * @returns when the collection is loaded
   * @throws QuorateError TOO_LARGE when it has more items than `maxEntries`
   */
  async cache(options: CacheOptions = {}): Promise<NearCache<T>> {
    const { timing, deadlineMs } = this.#core;
    const cache = new NearCache<T>(
      {
        prefix: this.prefix,
        codec: this.codec,
        timing,
        deadlineMs,
        watch: (range, watching) => this.#kv.watch(range, watching),
      },
      options,
    );
    await cache.loaded();
    return cache;
  }

  /** The collection as a transaction sees it; usually written `tx.in(collection)`. */
  within(tx: Transaction): CollectionView<T, Input> {
    return new CollectionView(tx, this.prefix, this.codec);
  }
}
