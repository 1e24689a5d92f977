import {
  decodeGetAnswer,
  decodePutAnswer,
  encodeGetRequest,
  encodePutRequest,
  KvServiceDefinition,
  type PlainAnswer,
  type PlainHeader,
  type TxnRequest,
} from "@quorate/proto/kv";
import { type BytesLike, checkedBytes, toBytes, toText } from "./bytes";
import {
  type CallOptions,
  type ConditionalWriteOptions,
  conditionFields,
  expectedModRevision,
  type FreshnessFields,
  freshnessFields,
  headerOf,
  type ReadOptions,
  type WriteOptions,
} from "./call-options";
import type { Codec } from "./codec";
import { Collection } from "./collection";
import { Counter } from "./collections";
import type { Core } from "./core";
import { toCount, toInt64, toNumber } from "./numbers";
import { type KeyRange, rangeFields } from "./range";
import { type KvRecord, recordOf, recordOfAnswer } from "./record";
import { type ScanOptions, scanRecords } from "./scan";
import { type Method, methodOf } from "./transport";
import { type Transaction, type TransactOptions, Txn, transact } from "./txn";
import { Watch, WatchFeed, type WatchOptions, type WatchTarget, watchFields } from "./watch";

const METHODS = {
  put: plainMethod(KvServiceDefinition.methods.put, encodePutRequest, decodePutAnswer),
  get: plainMethod(KvServiceDefinition.methods.get, encodeGetRequest, decodeGetAnswer),
  batchGet: methodOf(KvServiceDefinition, KvServiceDefinition.methods.batchGet),
  delete: methodOf(KvServiceDefinition, KvServiceDefinition.methods.delete),
  deleteRange: methodOf(KvServiceDefinition, KvServiceDefinition.methods.deleteRange),
  count: methodOf(KvServiceDefinition, KvServiceDefinition.methods.count),
  exists: methodOf(KvServiceDefinition, KvServiceDefinition.methods.exists),
  increment: methodOf(KvServiceDefinition, KvServiceDefinition.methods.increment),
  append: methodOf(KvServiceDefinition, KvServiceDefinition.methods.append),
  prepend: methodOf(KvServiceDefinition, KvServiceDefinition.methods.prepend),
  truncate: methodOf(KvServiceDefinition, KvServiceDefinition.methods.truncate),
  txn: methodOf(KvServiceDefinition, KvServiceDefinition.methods.txn),
  compact: methodOf(KvServiceDefinition, KvServiceDefinition.methods.compact),
};

const NO_OPTIONS: CallOptions = {};

/** What a put takes. */
export interface PutOptions extends ConditionalWriteOptions {
  /** The lease to attach the key to. Without it a put detaches the key from its lease. */
  readonly leaseId?: bigint;
}

/** What BatchGet takes. */
export interface BatchGetOptions extends ReadOptions {
  /** Leaves the values out. */
  readonly keysOnly?: boolean;
}

/** What a put did. */
export interface PutResult {
  /** The revision that the put made. */
  readonly revision: number;
  /** What was there before, if it was asked for and there was anything. */
  readonly previous: KvRecord | undefined;
}

/** What a delete did. */
export interface DeleteResult {
  /** The revision of the store after it. */
  readonly revision: number;
  /** Whether there was such a key. */
  readonly deleted: boolean;
  /** What was deleted, if it was asked for and there was anything. */
  readonly previous: KvRecord | undefined;
}

/** What a deletion of many keys did. */
export interface DeleteRangeResult {
  /** The revision of the store after it. */
  readonly revision: number;
  /** How many keys were deleted. */
  readonly deleted: number;
}

/**
 * The keys and values of one namespace. Reads are linearizable unless an option says otherwise; each write is applied
 * once, however often it had to be sent. All calls reject with a QuorateError.
 */
export class Kv {
  readonly #core: Core;
  readonly #namespace: string;

  /** Clients are made by `connect`. */
  constructor(core: Core, namespace: string) {
    this.#core = core;
    this.#namespace = namespace;
  }

  /** Writes a value. */
  put(key: BytesLike, value: BytesLike, options: PutOptions = NO_OPTIONS): Promise<PutResult> {
    // As get(): no async function, and field by field, for a spread costs as much as all the rest of this function.
    try {
      const request = {
        namespace: this.#name(options),
        key: checkedBytes(key),
        value: toBytes(value),
        leaseId: options.leaseId === undefined ? 0n : toInt64(options.leaseId, "leaseId"),
        returnPrevious: options.returnPrevious ?? false,
        expectedModRevision: expectedModRevision(options),
      };
      const { caller, sessions } = this.#core;
      return caller.writeAs(METHODS.put, request, this.#core.plan(options), {
        sessions,
        namespace: request.namespace,
        take: (reply) => ({
          revision: this.#note(reply, options),
          previous: recordOfAnswer(reply.record),
        }),
      });
    } catch (refusal) {
      return Promise.reject(refusal);
    }
  }

  /** The record of a key, or undefined when there is no such key. */
  get(key: BytesLike, options: ReadOptions = NO_OPTIONS): Promise<KvRecord | undefined> {
    // Each async function on the way of a call costs as much as to encode it.
    try {
      const { consistency, minRevision, maxStalenessMs, revision } = this.#freshness(options);
      const namespace = this.#name(options);
      const request = {
        namespace,
        key: checkedBytes(key),
        consistency,
        minRevision,
        maxStalenessMs,
        revision,
      };
      const take = (reply: PlainAnswer): KvRecord | undefined => {
        this.#note(reply, options);
        return recordOfAnswer(reply.record);
      };
      return this.#core.caller.readAs(METHODS.get, request, this.#core.plan(options), take);
    } catch (refusal) {
      return Promise.reject(refusal);
    }
  }

  /** The value of a key as text, or undefined when there is no such key. */
  async getText(key: BytesLike, options: ReadOptions = {}): Promise<string | undefined> {
    const record = await this.get(key, options);
    return record === undefined ? undefined : toText(record.bytes);
  }

  /** The records of many keys (at most 10,000) at one revision, in the order asked for. */
  async batchGet(
    keys: readonly BytesLike[],
    options: BatchGetOptions = {},
  ): Promise<(KvRecord | undefined)[]> {
    const request = {
      namespace: this.#name(options),
      keys: keys.map(toBytes),
      keysOnly: options.keysOnly ?? false,
      ...this.#freshness(options),
    };
    const reply = await this.#read(METHODS.batchGet, request, options);
    this.#note(reply, options);
    return reply.records.map((record, at) => (reply.found[at] === true ? recordOf(record) : undefined));
  }

  /** Deletes a key. */
  async delete(key: BytesLike, options: ConditionalWriteOptions = {}): Promise<DeleteResult> {
    const request = { namespace: this.#name(options), key: toBytes(key), ...conditionFields(options) };
    const reply = await this.#write(METHODS.delete, request, options);
    return {
      revision: this.#note(reply, options),
      deleted: reply.deleted > 0n,
      previous: recordOf(reply.previous),
    };
  }

  /** Deletes all keys of a range or prefix. More than 10,000 are refused, and nothing is deleted then. */
  async deleteRange(range: KeyRange, options: WriteOptions = {}): Promise<DeleteRangeResult> {
    const request = { namespace: this.#name(options), ...rangeFields(range) };
    const reply = await this.#write(METHODS.deleteRange, request, options);
    return { revision: this.#note(reply, options), deleted: toNumber(reply.deleted) };
  }

  /**
   * The records of a range or prefix in bytewise order, all at one revision, fetched as they are consumed. A stream that
   * breaks is taken up again behind the last record, elsewhere if need be. `deadlineMs` bounds each wait for the server,
   * not the whole.
   */
  scan(range: KeyRange = {}, options: ScanOptions = {}): AsyncIterable<KvRecord> {
    return scanRecords(this.#core, this.#name(options), range, options);
  }

  /** How many keys a range or prefix holds; all keys of the namespace by default. */
  async count(range: KeyRange = {}, options: ReadOptions = {}): Promise<number> {
    const request = { namespace: this.#name(options), ...rangeFields(range), ...this.#freshness(options) };
    const reply = await this.#read(METHODS.count, request, options);
    this.#note(reply, options);
    return toNumber(reply.count);
  }

  /** How many of the named keys exist; a key named twice counts twice. For one key: 1 or 0. */
  async exists(keys: BytesLike | readonly BytesLike[], options: ReadOptions = {}): Promise<number> {
    const list = typeof keys === "string" || keys instanceof Uint8Array ? [keys] : keys;
    const request = { namespace: this.#name(options), keys: list.map(toBytes), ...this.#freshness(options) };
    const reply = await this.#read(METHODS.exists, request, options);
    this.#note(reply, options);
    return toNumber(reply.count);
  }

  /** Adds to a counter (1 by default, may be negative) and returns the new number: a bigint, for it has 64 bits. */
  async increment(key: BytesLike, by: number | bigint = 1, options: WriteOptions = {}): Promise<bigint> {
    const request = {
      namespace: this.#name(options),
      key: toBytes(key),
      delta: toInt64(by, "the number to add"),
    };
    const reply = await this.#write(METHODS.increment, request, options);
    this.#note(reply, options);
    return reply.value;
  }

  /** Takes from a counter (1 by default) and returns the new number. */
  decrement(key: BytesLike, by: number | bigint = 1, options: WriteOptions = {}): Promise<bigint> {
    return this.increment(key, typeof by === "bigint" ? -by : 0 - by, options);
  }

  /** Adds bytes at the end of a value, or creates it; returns the record after it. */
  async append(key: BytesLike, value: BytesLike, options: WriteOptions = {}): Promise<KvRecord | undefined> {
    const request = { namespace: this.#name(options), key: toBytes(key), value: toBytes(value) };
    const reply = await this.#write(METHODS.append, request, options);
    this.#note(reply, options);
    return recordOf(reply.record);
  }

  /** Adds bytes at the start of a value, or creates it; returns the record after it. */
  async prepend(key: BytesLike, value: BytesLike, options: WriteOptions = {}): Promise<KvRecord | undefined> {
    const request = { namespace: this.#name(options), key: toBytes(key), value: toBytes(value) };
    const reply = await this.#write(METHODS.prepend, request, options);
    this.#note(reply, options);
    return recordOf(reply.record);
  }

  /** Empties the namespace at once, however large it is. */
  async truncate(options: WriteOptions = {}): Promise<DeleteRangeResult> {
    const reply = await this.#write(METHODS.truncate, { namespace: this.#name(options) }, options);
    return { revision: this.#note(reply, options), deleted: toNumber(reply.deleted) };
  }

  /**
   * Changes of a key, a prefix or a range as they happen, each once, in order, across failures of nodes and connections:
   * see {@link Watch}.
   *
   * @example
   * for await (const event of kv.watch("config/mode")) {
   *   if (event.kind === "put") apply(event.record.text());
   * }
   *
   * @throws QuorateError INVALID_ARGUMENT for options that contradict each other
   */
  watch(target: WatchTarget, options: WatchOptions = {}): Watch {
    const fields = watchFields(target, options, options.namespace ?? this.#namespace);
    return new Watch(new WatchFeed(this.#core, fields, options), (event) => event);
  }

  /**
   * Begins a Txn: comparisons with what follows from them, atomic, one revision, applied once. See {@link Txn}; for reads
   * and writes that depend on one another in ways of your own, see {@link transact}.
   *
   * @example
   * const { succeeded } = await kv.txn().if(compare.missing("job/7")).do(op.put("job/7", "mine")).commit();
   */
  txn(): Txn {
    const commit = async (request: TxnRequest, options: WriteOptions) => {
      const named = { ...request, namespace: this.#name(options) };
      const reply = await this.#write(METHODS.txn, named, options);
      this.#note(reply, options);
      return reply;
    };
    return new Txn(commit, [], [], []);
  }

  /**
   * Runs `work` as a transaction: what it reads is the state of one revision, with its own writes in place; what it writes
   * is kept back and applied at once, only if nothing that it read has changed since. Otherwise it is run again, after a
   * random pause, until `deadlineMs` passes (DEADLINE_EXCEEDED) or `maxAttempts` were made (CONDITION_FAILED). So it may run
   * several times, and should do nothing else. What it throws ends the transaction, which then changes nothing.
   *
   * The commit is applied once however often it had to be sent; an open outcome is told as for other writes.
   *
   * @example
   * await kv.transact(async (tx) => {
   *   await tx.increment("account/a", -10);
   *   await tx.increment("account/b", 10);
   * });
   *
   * @returns what `work` returned in the attempt that was committed
   */
  transact<T>(work: (tx: Transaction) => Promise<T> | T, options: TransactOptions = {}): Promise<T> {
    return transact(this.#core, this, work, { namespace: this.#namespace, ...options });
  }

  /**
   * Gives up history: reads before `revision`, and watches from it or before, are refused with COMPACTED afterwards. Fails
   * with COMPACTED where that is given up already, and with FUTURE_REVISION where it has not been reached.
   */
  async compact(revision: number, options: WriteOptions = {}): Promise<void> {
    const request = { namespace: this.#name(options), revision: toCount(revision, "revision") };
    this.#note(await this.#write(METHODS.compact, request, options), options);
  }

  /** The keys that begin with `prefix`, with values that `codec` reads and writes: `kv.collection("user/", json<User>())`. */
  collection<T, Input = T>(prefix: string, codec: Codec<T, Input>): Collection<T, Input> {
    return new Collection(this.#core, this, prefix, codec);
  }

  /** A number under one key: `kv.counter("visits").increment()`. */
  counter(key: string): Counter {
    return new Counter(this, key);
  }

  #name(options: CallOptions): string {
    return options.namespace ?? this.#namespace;
  }

  #freshness(options: ReadOptions): FreshnessFields {
    const isSession = options.consistency === "session";
    return freshnessFields(options, isSession ? this.#core.seen.of(this.#name(options)) : 0);
  }

  #read<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: ReadOptions,
  ): Promise<Response> {
    return this.#core.caller.read(method, request, this.#core.plan(options));
  }

  #write<Request extends { readonly namespace: string }, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: WriteOptions,
  ): Promise<Response> {
    const { caller, sessions } = this.#core;
    return caller.write(method, request, this.#core.plan(options), sessions, request.namespace);
  }

  /** What each reply tells besides: for whoever asked, and for reads of the guarantee "session". @returns its revision */
  #note(reply: Reply, options: CallOptions): number {
    const revision = Number(reply.header?.revision ?? 0);
    this.#core.seen.note(this.#name(options), revision);
    options.onHeader?.(headerOf(reply.header));
    return revision;
  }
}

interface Reply {
  readonly header: PlainHeader | undefined;
}

/** A method whose messages are encoded and decoded by hand, as it comes with most calls. */
function plainMethod<Request>(
  { name }: { readonly name: string },
  encode: (request: Request) => Uint8Array,
  decode: (bytes: Uint8Array) => PlainAnswer,
): Method<Request, PlainAnswer> {
  const requestType = { encode: (request: Request) => ({ finish: () => encode(request) }) };
  return { path: `/${KvServiceDefinition.fullName}/${name}`, requestType, responseType: { decode } };
}
