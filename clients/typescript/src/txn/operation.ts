import {
  Consistency,
  type TxnOperation,
  type TxnRequest,
  type TxnResponse,
  type TxnResult,
} from "@quorate/proto/kv";
import { type BytesLike, toBytes } from "#client/bytes";
import { conditionFields } from "#client/call-options";
import { QuorateError } from "#client/errors";
import type { PutOptions } from "#client/kv";
import { toCount, toInt64, toNumber } from "#client/numbers";
import { type KeyRange, rangeFields } from "#client/range";
import { KvRecord, recordOf } from "#client/record";

/** One operation of a Txn, with the type of what it answers. Made by {@link op}. */
export interface Operation<out Result> {
  /** As it is sent. */
  readonly message: TxnOperation;
  /** What the answer says. */
  result(message: TxnResult): Result;
}

/** What the answers to a list of operations are. */
export type ResultsOf<Operations extends readonly Operation<unknown>[]> = {
  readonly [At in keyof Operations]: Operations[At] extends Operation<infer Result> ? Result : never;
};

/** What a put of a Txn takes. A condition of its own that does not hold fails the whole Txn. */
export type TxnPutOptions = Pick<PutOptions, "leaseId" | "expectedModRevision" | "returnPrevious">;

/** What a delete of a Txn takes. */
export type TxnDeleteOptions = Omit<TxnPutOptions, "leaseId">;

/** What a scan of a Txn takes. */
export interface TxnScanOptions {
  /** The most records: 1 to 1,000, which is also the default. */
  readonly limit?: number;
  /** Leaves the values out. */
  readonly keysOnly?: boolean;
}

/** What a put of a Txn answers. */
export interface TxnPutResult {
  /** What was there before, if it was asked for and there was anything. */
  readonly previous: KvRecord | undefined;
}

/** What a delete of a Txn answers. */
export interface TxnDeleteResult extends TxnPutResult {
  /** Whether there was such a key. */
  readonly deleted: boolean;
}

/** What a scan of a Txn answers. */
export interface TxnScanResult {
  /** In bytewise order of their keys. */
  readonly records: readonly KvRecord[];
  /** Whether there are keys beyond the limit. */
  readonly more: boolean;
}

/**
 * Operations for a Txn. Each sees what the earlier ones did; all of them together are one revision.
 *
 * @example
 * const { results } = await kv.txn().do(op.increment("visits"), op.get("title")).commit();
 * const [visits, title] = results; // a bigint, and a record or undefined
 */
export const op = {
  /** Writes a value. */
  put: (key: BytesLike, value: BytesLike, options: TxnPutOptions = {}): Operation<TxnPutResult> =>
    operation(
      "put",
      {
        namespace: "",
        key: toBytes(key),
        value: toBytes(value),
        leaseId: options.leaseId ?? 0n,
        ...conditionFields(options),
      },
      (reply) => ({ previous: recordOf(reply.previous) }),
    ),

  /** Deletes a key. */
  delete: (key: BytesLike, options: TxnDeleteOptions = {}): Operation<TxnDeleteResult> =>
    operation("delete", { namespace: "", key: toBytes(key), ...conditionFields(options) }, (reply) => ({
      deleted: reply.deleted > 0n,
      previous: recordOf(reply.previous),
    })),

  /** Deletes all keys of a range or prefix, at most 10,000; answers how many there were. */
  deleteRange: (range: KeyRange): Operation<number> =>
    operation("deleteRange", { namespace: "", ...rangeFields(range) }, (reply) => toNumber(reply.deleted)),

  /** Adds to a counter (1 by default) and answers the new number. */
  increment: (key: BytesLike, by: number | bigint = 1): Operation<bigint> =>
    operation(
      "increment",
      { namespace: "", key: toBytes(key), delta: toInt64(by, "the number to add") },
      (reply) => reply.value,
    ),

  /** Adds bytes at the end of a value, or creates it; answers the record after it. */
  append: (key: BytesLike, value: BytesLike): Operation<KvRecord | undefined> =>
    operation("append", { namespace: "", key: toBytes(key), value: toBytes(value) }, (reply) =>
      recordOf(reply.record),
    ),

  /** Adds bytes at the start of a value, or creates it; answers the record after it. */
  prepend: (key: BytesLike, value: BytesLike): Operation<KvRecord | undefined> =>
    operation("prepend", { namespace: "", key: toBytes(key), value: toBytes(value) }, (reply) =>
      recordOf(reply.record),
    ),

  /** The record of a key, or undefined when there is none. */
  get: (key: BytesLike): Operation<KvRecord | undefined> =>
    operation("get", { namespace: "", key: toBytes(key), ...AS_LEFT }, (reply) => recordOf(reply.record)),

  /** The records of a range or prefix, as many as fit in one answer. */
  scan: (range: KeyRange = {}, options: TxnScanOptions = {}): Operation<TxnScanResult> =>
    operation(
      "scan",
      {
        namespace: "",
        ...rangeFields(range),
        limit: toCount(options.limit, "limit"),
        cursor: new Uint8Array(0),
        reverse: false,
        keysOnly: options.keysOnly ?? false,
        ...AS_LEFT,
      },
      (reply) => ({ records: reply.records.map((record) => new KvRecord(record)), more: reply.more }),
    ),

  /** How many keys a range or prefix holds; more than 10,000 are refused. */
  count: (range: KeyRange = {}): Operation<number> =>
    operation("count", { namespace: "", ...rangeFields(range), ...AS_LEFT }, (reply) =>
      toNumber(reply.count),
    ),

  /** A Txn within the Txn: its compares see what the earlier operations did. It may hold no further one. */
  txn: <Outcome>(nested: NestedTxn<Outcome>): Operation<Outcome> =>
    operation("txn", nested.message, (reply) => nested.outcome(reply)),
};

/** What {@link op}.txn takes: a builder of `kv.txn()`. */
export interface NestedTxn<out Outcome> {
  readonly message: TxnRequest;
  outcome(reply: TxnResponse): Outcome;
}

/** Reads of a Txn see the state as the earlier operations left it, so they ask for no freshness of their own. */
const AS_LEFT = { consistency: Consistency.UNSPECIFIED, minRevision: 0n, maxStalenessMs: 0n, revision: 0n };

type Request = NonNullable<TxnOperation["operation"]>;
type Requests = { [R in Request as R["$case"]]: R["value"] };
type Reply = NonNullable<TxnResult["result"]>;
type Replies = { [R in Reply as R["$case"]]: R["value"] };
type Kind = keyof Requests & keyof Replies;

function operation<K extends Kind, Result>(
  kind: K,
  value: Requests[K],
  read: (reply: Replies[K]) => Result,
): Operation<Result> {
  return {
    // The signature says that kind and value belong together, which the compiler cannot follow into the union.
    message: { operation: { $case: kind, value } as Request },
    result({ result }) {
      if (result?.$case !== kind) throw strangeAnswer(kind);
      return read(result.value as Replies[K]);
    },
  };
}

function strangeAnswer(kind: Kind): QuorateError {
  return new QuorateError(`the server answered an operation "${kind}" of a Txn with something else`, {
    code: "INTERNAL",
    reason: "INTERNAL",
    outcome: "unknown",
  });
}
