import { type BytesLike, endOfPrefix, toBytes, toText } from "#client/bytes";
import type { ReadOptions, ReplyHeader, WriteOptions } from "#client/call-options";
import { invalidArgument, QuorateError } from "#client/errors";
import type { Kv } from "#client/kv";
import { toCount, toInt64 } from "#client/numbers";
import { type KeyRange, rangeFields } from "#client/range";
import type { KvRecord } from "#client/record";
import { PendingWrites } from "./pending-writes";
import { ReadSet, tooManyReads } from "./read-set";

/** What a scan of a transaction takes. */
export interface TransactionScanOptions {
  /** The most records. Without it the range must be small enough to be validated as a whole. */
  readonly limit?: number;
}

/** What a put of a transaction takes. */
export interface TransactionPutOptions {
  /** The lease to attach the key to. Without it a put detaches the key from its lease. */
  readonly leaseId?: bigint;
}

/** The calls that a transaction makes, with the time that is left for them. */
export interface TransactionCalls {
  readonly kv: Kv;
  /** @throws QuorateError when the time is over, or the caller has given up */
  options(): WriteOptions;
}

/**
 * One attempt at a transaction. Reads see the namespace at one revision, with the transaction's own writes in place;
 * writes are kept back until the commit, which happens only if nothing that was read has changed since. Made by
 * `kv.transact`, and at its end when that function returns.
 */
export class Transaction {
  readonly #calls: TransactionCalls;
  readonly #reads = new ReadSet();
  readonly #writes = new PendingWrites();
  #revision: Promise<number> | null = null;
  #state: "open" | "overtaken" | "ended" = "open";

  /** Transactions are made by `kv.transact`. */
  constructor(calls: TransactionCalls) {
    this.#calls = calls;
  }

  /**
   * The record of a key, or undefined when there is none. One that the transaction itself wrote has the revisions and the
   * version 0.
   */
  async get(key: BytesLike): Promise<KvRecord | undefined> {
    const bytes = checkedKey(key);
    this.#checkOpen();
    const own = this.#writes.record(bytes);
    if (own !== undefined) return own ?? undefined;
    const known = this.#reads.find(bytes);
    if (known !== undefined) return known.record;
    const record = await this.#read((options) => this.#calls.kv.get(bytes, options));
    this.#reads.addKey(bytes, record);
    return record;
  }

  /** The value of a key as text, or undefined when there is no such key. */
  async getText(key: BytesLike): Promise<string | undefined> {
    const record = await this.get(key);
    return record === undefined ? undefined : toText(record.bytes);
  }

  /**
   * The records of a range or prefix in bytewise order. Fails with TOO_LARGE when there are more than can be validated:
   * about 126, less what else was read.
   */
  async scan(range: KeyRange = {}, options: TransactionScanOptions = {}): Promise<readonly KvRecord[]> {
    toCount(options.limit, "limit");
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    const { start, end } = boundsOf(range);
    this.#checkOpen();
    // Own deletions may take the place of as many records.
    const asked = Math.min(limit + this.#writes.deletesIn(start, end), this.#reads.room + 1);
    const found = asked === 0 ? [] : await this.#read((read) => this.#scanned(start, end, asked, read));
    for (const record of found) this.#reads.addKey(record.keyBytes, record);
    const isCut = found.length === asked;
    const last = found.at(-1);
    const seenEnd = isCut && last !== undefined ? last.keyBytes : end;
    if (asked > 0) this.#reads.addRange(start, seenEnd);
    if (isCut && asked < limit) throw tooManyReads();
    const present = found.filter(({ keyBytes }) => this.#writes.record(keyBytes) === undefined);
    return [...present, ...this.#writes.recordsIn(start, end)]
      .sort((left, right) => Buffer.compare(left.keyBytes, right.keyBytes))
      .slice(0, Math.min(limit, Number.MAX_SAFE_INTEGER));
  }

  /** Writes a value when the transaction commits. */
  put(key: BytesLike, value: BytesLike, options: TransactionPutOptions = {}): void {
    const bytes = checkedKey(key);
    this.#checkOpen();
    this.#writes.put(bytes, Uint8Array.from(toBytes(value)), options.leaseId ?? 0n);
  }

  /** Deletes a key when the transaction commits. */
  delete(key: BytesLike): void {
    const bytes = checkedKey(key);
    this.#checkOpen();
    this.#writes.delete(bytes);
  }

  /** Adds to a counter (1 by default, may be negative); resolves with the new number. Keeps the key's lease. */
  async increment(key: BytesLike, by: number | bigint = 1): Promise<bigint> {
    const record = await this.get(key);
    const sum = integerOf(record) + toInt64(by, "the number to add");
    if (BigInt.asIntN(64, sum) !== sum) {
      throw new QuorateError(`the sum ${sum} does not fit in 64 bits`, {
        code: "OUT_OF_RANGE",
        reason: "INTEGER_OVERFLOW",
        outcome: "not_applied",
      });
    }
    this.#replace(key, record, toBytes(sum.toString()));
    return sum;
  }

  /** Adds bytes at the end of a value, or creates it; resolves with the new value. Keeps the key's lease. */
  async append(key: BytesLike, value: BytesLike): Promise<Uint8Array> {
    const record = await this.get(key);
    const joined = Buffer.concat([record?.bytes ?? new Uint8Array(0), toBytes(value)]);
    this.#replace(key, record, joined);
    return joined;
  }

  /** Adds bytes at the start of a value, or creates it; resolves with the new value. Keeps the key's lease. */
  async prepend(key: BytesLike, value: BytesLike): Promise<Uint8Array> {
    const record = await this.get(key);
    const joined = Buffer.concat([toBytes(value), record?.bytes ?? new Uint8Array(0)]);
    this.#replace(key, record, joined);
    return joined;
  }

  /**
   * A collection as the transaction sees it.
   *
   * @example
   * await kv.transact(async (tx) => {
   *   const user = await tx.in(users).get("ada");
   *   if (user !== undefined) tx.in(users).put("ada", { ...user, visits: user.visits + 1 });
   * });
   */
  in<View>(collection: { within(tx: Transaction): View }): View {
    return collection.within(this);
  }

  /** Whether it read from a state that others have left since, so that it must begin anew. */
  get isOvertaken(): boolean {
    return this.#state === "overtaken";
  }

  /** Takes no further calls: the function that had it has returned or failed. */
  end(): void {
    if (this.#state === "open") this.#state = "ended";
  }

  /** Applies the writes if everything it read is still so. @returns whether it is committed */
  async commit(): Promise<boolean> {
    if (this.isOvertaken) return false;
    // What was read was all there at one revision, while the transaction ran: there is nothing to validate.
    if (this.#writes.isEmpty) return true;
    const comparisons = this.#revision === null ? [] : this.#reads.comparisons(await this.#revision);
    const { succeeded } = await this.#calls.kv
      .txn()
      .if(...comparisons)
      .do(...this.#writes.operations())
      .commit(this.#calls.options());
    return succeeded;
  }

  #replace(key: BytesLike, record: KvRecord | undefined, value: Uint8Array): void {
    this.#checkOpen();
    this.#writes.put(checkedKey(key), value, record?.leaseId ?? 0n);
  }

  async #scanned(
    start: Uint8Array,
    end: Uint8Array,
    limit: number,
    options: ReadOptions,
  ): Promise<readonly KvRecord[]> {
    const found: KvRecord[] = [];
    for await (const record of this.#calls.kv.scan({ start, end }, { ...options, limit })) found.push(record);
    return found;
  }

  async #read<T>(read: (options: ReadOptions) => Promise<T>): Promise<T> {
    try {
      return await (this.#revision === null ? this.#firstRead(read) : this.#laterRead(this.#revision, read));
    } catch (thrown) {
      const error = QuorateError.from(thrown);
      if (error.reason === "COMPACTED") this.#state = "overtaken";
      throw error;
    }
  }

  /** Says which revision all reads are made at; those that come meanwhile wait for it. */
  #firstRead<T>(read: (options: ReadOptions) => Promise<T>): Promise<T> {
    let revision = 0;
    const onHeader = (header: ReplyHeader) => {
      revision = header.revision;
    };
    const result = read({ ...this.#calls.options(), onHeader });
    this.#revision = result.then(() => revision);
    this.#revision.catch(() => {
      this.#revision = null;
    });
    return result;
  }

  async #laterRead<T>(pinned: Promise<number>, read: (options: ReadOptions) => Promise<T>): Promise<T> {
    const revision = await pinned;
    if (revision === 0) return this.#readOfNothing(read);
    // Any node that has come so far knows the answer.
    const freshness = { consistency: "stale", minRevision: revision, revision } as const;
    return read({ ...this.#calls.options(), onHeader: () => undefined, ...freshness });
  }

  /** Nothing was ever written when the transaction began, and a request has no word for that revision. */
  async #readOfNothing<T>(read: (options: ReadOptions) => Promise<T>): Promise<T> {
    let revision = 0;
    const onHeader = (header: ReplyHeader) => {
      revision = header.revision;
    };
    const result = await read({ ...this.#calls.options(), onHeader });
    if (revision > 0) {
      this.#state = "overtaken";
      throw invalidArgument("the transaction began before the first write and must begin anew");
    }
    return result;
  }

  #checkOpen(): void {
    if (this.#state === "ended") {
      throw invalidArgument("the transaction has ended: await all its calls within the function");
    }
  }
}

function checkedKey(key: BytesLike): Uint8Array {
  const bytes = Uint8Array.from(toBytes(key));
  if (bytes.length === 0) throw invalidArgument("the key must not be empty");
  return bytes;
}

function boundsOf(range: KeyRange): { readonly start: Uint8Array; readonly end: Uint8Array } {
  const { start, end, prefix } = rangeFields(range);
  return prefix.length > 0 ? { start: prefix, end: endOfPrefix(prefix) } : { start, end };
}

function integerOf(record: KvRecord | undefined): bigint {
  if (record === undefined) return 0n;
  const digits = Buffer.from(record.bytes).toString("latin1");
  if (!/^(0|-?[1-9][0-9]*)$/.test(digits) || BigInt.asIntN(64, BigInt(digits)) !== BigInt(digits)) {
    const key = Buffer.from(record.keyBytes).toString("utf8");
    throw new QuorateError(`the value of "${key}" is not the decimal text of an integer`, {
      code: "FAILED_PRECONDITION",
      reason: "NOT_AN_INTEGER",
      outcome: "not_applied",
    });
  }
  return BigInt(digits);
}
