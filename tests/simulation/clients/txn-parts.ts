import { type Command, DEFAULT_LIMITS } from "@quorate/services/kv";
import { EMPTY_BYTES, utf8Encode } from "@quorate/services/std";

/** A Txn as a command holds it. */
export type Txn = Extract<NonNullable<Command["operation"]>, { $case: "txn" }>["value"];
export type TxnOperation = Txn["success"][number];
export type TxnCompare = Txn["compares"][number];
type CompareTarget = NonNullable<TxnCompare["target"]>;

/** Of TxnCompareOperator. */
export const OPERATORS = { equal: 1, notEqual: 2, less: 3, greater: 4 } as const;

const ANSWER_BYTES_MAX = 1024 * 1024;

export function txnOf(parts: Partial<Txn>): Txn {
  return {
    compares: [],
    success: [],
    failure: [],
    answerBytesMax: BigInt(ANSWER_BYTES_MAX),
    ...parts,
  };
}

/** A key, or the keys of a range: [start, end). */
export function compare(
  what: string | readonly [start: string, end: string],
  operator: keyof typeof OPERATORS,
  target: CompareTarget,
): TxnCompare {
  const [key, start, end] = typeof what === "string" ? [what, "", ""] : ["", ...what];
  return {
    key: utf8Encode(key),
    start: utf8Encode(start),
    end: utf8Encode(end),
    operator: OPERATORS[operator],
    target,
  };
}

export function putOf(key: string, value: string, more: PutMore = {}): TxnOperation {
  const { leaseId = 0n, returnPrevious = false, expectedModRevision } = more;
  const bytes = { key: utf8Encode(key), value: utf8Encode(value) };
  return operation({ $case: "put", value: { ...bytes, leaseId, returnPrevious, expectedModRevision } });
}

interface PutMore {
  readonly leaseId?: bigint;
  readonly returnPrevious?: boolean;
  readonly expectedModRevision?: bigint;
}

export function deleteOf(key: string, returnPrevious = false): TxnOperation {
  return operation({
    $case: "delete",
    value: { key: utf8Encode(key), returnPrevious, expectedModRevision: undefined },
  });
}

export function deleteRangeOf(start: string, end: string, keysMax: number): TxnOperation {
  const value = { start: utf8Encode(start), end: utf8Encode(end), keysMax: BigInt(keysMax) };
  return operation({ $case: "deleteRange", value });
}

export function incrementOf(key: string, delta: bigint): TxnOperation {
  return operation({ $case: "increment", value: { key: utf8Encode(key), delta } });
}

export function appendOf(key: string, value: string, atStart = false): TxnOperation {
  const valueBytesMax = BigInt(DEFAULT_LIMITS.valueBytesMax);
  const bytes = { key: utf8Encode(key), value: utf8Encode(value) };
  return operation({ $case: "append", value: { ...bytes, atStart, valueBytesMax } });
}

export function getOf(key: string): TxnOperation {
  return operation({ $case: "get", value: { key: utf8Encode(key) } });
}

export function rangeOf(
  start: string,
  end: string,
  more: { readonly limit?: number; readonly keysOnly?: boolean; readonly countOnly?: boolean } = {},
): TxnOperation {
  const { limit = 1000, keysOnly = false, countOnly = false } = more;
  const range = { start: utf8Encode(start), end: end === "" ? EMPTY_BYTES : utf8Encode(end) };
  return operation({ $case: "range", value: { ...range, limit: BigInt(limit), keysOnly, countOnly } });
}

export function nestedOf(txn: Txn): TxnOperation {
  return operation({ $case: "txn", value: txn });
}

/** One that is refused whatever the state, and so refuses the whole Txn. */
export function refusedOf(key: string): TxnOperation {
  return putOf(key, "", { expectedModRevision: 2n ** 52n });
}

function operation(value: NonNullable<TxnOperation["operation"]>): TxnOperation {
  return { operation: value };
}
