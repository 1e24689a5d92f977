import { expect } from "@jest/globals";
import { type Txn, type TxnCompare, TxnCompareOperator, type TxnOperation } from "@quorate/proto/log";
import { type Answer, type Command, type Done, txnCommand } from "@quorate/services/kv";
import { EMPTY_BYTES, utf8Encode } from "@quorate/services/std";
import { ANYONE, type Harness } from "./harness";
import { doneOf } from "./samples";

export type TxnParts = Partial<Pick<Txn, "compares" | "success" | "failure" | "answerBytesMax">>;

export function txn(parts: TxnParts): Command {
  return txnCommand(ANYONE, txnOf(parts));
}

/** As an operation of another one. */
export function nested(parts: TxnParts): TxnOperation {
  return { operation: { $case: "txn", value: txnOf(parts) } };
}

export function txnOf(parts: TxnParts): Txn {
  return { compares: [], success: [], failure: [], answerBytesMax: 1_000_000n, ...parts };
}

/** Keys as text. */
export const op = {
  put: (
    key: string,
    value: string,
    options: { leaseId?: bigint; previous?: boolean; expected?: bigint } = {},
  ) =>
    one({
      $case: "put",
      value: {
        key: utf8Encode(key),
        value: utf8Encode(value),
        leaseId: options.leaseId ?? 0n,
        returnPrevious: options.previous ?? false,
        expectedModRevision: options.expected,
      },
    }),
  delete: (key: string, options: { previous?: boolean; expected?: bigint } = {}) =>
    one({
      $case: "delete",
      value: {
        key: utf8Encode(key),
        returnPrevious: options.previous ?? false,
        expectedModRevision: options.expected,
      },
    }),
  deleteRange: (start: string, end: string, keysMax = 10_000n) =>
    one({ $case: "deleteRange", value: { ...bounds(start, end), keysMax } }),
  increment: (key: string, delta: bigint) =>
    one({ $case: "increment", value: { key: utf8Encode(key), delta } }),
  append: (key: string, value: string, valueBytesMax = 100n) =>
    one({
      $case: "append",
      value: { key: utf8Encode(key), value: utf8Encode(value), atStart: false, valueBytesMax },
    }),
  prepend: (key: string, value: string, valueBytesMax = 100n) =>
    one({
      $case: "append",
      value: { key: utf8Encode(key), value: utf8Encode(value), atStart: true, valueBytesMax },
    }),
  get: (key: string) => one({ $case: "get", value: { key: utf8Encode(key) } }),
  scan: (start: string, end: string, limit = 1_000n) =>
    one({ $case: "range", value: { ...bounds(start, end), limit, keysOnly: false, countOnly: false } }),
  keys: (start: string, end: string, limit = 1_000n) =>
    one({ $case: "range", value: { ...bounds(start, end), limit, keysOnly: true, countOnly: false } }),
  count: (start: string, end: string, limit = 10_000n) =>
    one({ $case: "range", value: { ...bounds(start, end), limit, keysOnly: true, countOnly: true } }),
} as const;

export const EQUAL = TxnCompareOperator.EQUAL;
export const NOT_EQUAL = TxnCompareOperator.NOT_EQUAL;
export const LESS = TxnCompareOperator.LESS;
export const GREATER = TxnCompareOperator.GREATER;

type Target = NonNullable<TxnCompare["target"]>;

export function compare(key: string, operator: TxnCompareOperator, target: Target): TxnCompare {
  return { key: utf8Encode(key), start: EMPTY_BYTES, end: EMPTY_BYTES, operator, target };
}

export function compareRange(
  start: string,
  end: string,
  operator: TxnCompareOperator,
  target: Target,
): TxnCompare {
  return { key: EMPTY_BYTES, ...bounds(start, end), operator, target };
}

export function toValue(text: string): Target {
  return { $case: "value", value: utf8Encode(text) };
}

export function toVersion(version: bigint): Target {
  return { $case: "version", value: version };
}

/** Holds, as no key has this name. */
export const HOLDS = compare("no such key", EQUAL, { $case: "version", value: 0n });
/** Does not hold. */
export const FAILS = compare("no such key", EQUAL, { $case: "version", value: 1n });

export function txnDoneOf(answer: Answer): NonNullable<Done["txn"]> {
  const { txn: done } = doneOf(answer);
  if (done === undefined) throw new Error("the answer is not one to a Txn");
  return done;
}

/** The results of a Txn that took the success branch. */
export function resultsOf(it: Harness, ...success: TxnOperation[]): readonly Done[] {
  const { succeeded, results } = txnDoneOf(it.apply(txn({ success })));
  expect(succeeded).toBe(true);
  return results;
}

function one(operation: NonNullable<TxnOperation["operation"]>): TxnOperation {
  return { operation };
}

function bounds(start: string, end: string): { readonly start: Uint8Array; readonly end: Uint8Array } {
  return { start: utf8Encode(start), end: utf8Encode(end) };
}
