import type { Append, DeleteRange, Txn, TxnCompare, TxnOperation, TxnRange } from "@quorate/proto/log";
import { unreachable } from "#std";
import { boundFault, keyFault, MAX_SAFE } from "./field-faults";
import { TXN_COUNT_MAX, TXN_RANGE_RECORDS_MAX, TXN_RANGES_MAX } from "./limits";
import { isKnownOperator } from "./txn-compare";

/** What is wrong with a Txn whatever the state, in a sentence for people that names the place, or null. */
export function txnFault(txn: Txn): string | null {
  return (
    boundFault("answer_bytes_max", txn.answerBytesMax, 0n, MAX_SAFE) ??
    partsFault(txn, "") ??
    rangesFault(rangesIn(txn))
  );
}

/** @param path leads to a nested one; empty for the outermost */
function partsFault(txn: Txn, path: string): string | null {
  for (const [at, compare] of txn.compares.entries()) {
    const fault = compareFault(compare);
    if (fault !== null) return `${path}compares[${at}]: ${fault}`;
  }
  for (const branch of ["success", "failure"] as const) {
    for (const [at, { operation }] of txn[branch].entries()) {
      if (operation?.$case === "txn" && path === "") {
        const fault = partsFault(operation.value, `${branch}[${at}].`);
        if (fault !== null) return fault;
      } else {
        const fault = operationFault(operation);
        if (fault !== null) return `${path}${branch}[${at}]: ${fault}`;
      }
    }
  }
  return null;
}

function compareFault({ key, start, end, operator, target }: TxnCompare): string | null {
  if (key.length > 0 && (start.length > 0 || end.length > 0))
    return "a compare has a key or a range, not both";
  if (!isKnownOperator(operator)) return `operator has the unknown value ${operator}`;
  return target === undefined ? "the compare names no target that this version knows" : null;
}

function operationFault(operation: TxnOperation["operation"]): string | null {
  switch (operation?.$case) {
    case undefined:
      return "the operation is of no kind that this version knows";
    case "put":
    case "delete":
    case "increment":
    case "get":
      return keyFault(operation.value.key);
    case "append":
      return appendFault(operation.value);
    case "deleteRange":
      return deleteRangeFault(operation.value);
    case "range":
      return rangeFault(operation.value);
    case "txn":
      return "a Txn within a Txn holds no further one";
    default:
      return unreachable(operation);
  }
}

export function appendFault({ key, valueBytesMax }: Append): string | null {
  return keyFault(key) ?? boundFault("value_bytes_max", valueBytesMax, 0n, MAX_SAFE);
}

export function deleteRangeFault({ keysMax }: DeleteRange): string | null {
  return boundFault("keys_max", keysMax, 0n, MAX_SAFE - 1n);
}

function rangeFault({ limit, countOnly }: TxnRange): string | null {
  return boundFault("limit", limit, 1n, BigInt(countOnly ? TXN_COUNT_MAX : TXN_RANGE_RECORDS_MAX));
}

function rangesFault(ranges: number): string | null {
  return ranges <= TXN_RANGES_MAX ? null : `the Txn holds ${ranges} ranges, the limit is ${TXN_RANGES_MAX}`;
}

/** How many ranges a Txn holds with those of nested ones. */
export function rangesIn({ compares, success, failure }: Txn): number {
  let ranges = 0;
  for (const { key } of compares) if (key.length === 0) ranges += 1;
  for (const { operation } of [...success, ...failure]) {
    if (operation?.$case === "txn") ranges += rangesIn(operation.value);
    else if (operation?.$case === "range" || operation?.$case === "deleteRange") ranges += 1;
  }
  return ranges;
}
