import type { Command } from "@quorate/proto/log";
import { unreachable } from "#std";
import type { Result } from "./answer";
import type { Batch } from "./batch";
import { deleteRangeReads, keyReads, NO_READS } from "./command-reads";
import type { Namespace } from "./namespace";
import {
  applyAppend,
  applyDelete,
  applyDeleteRange,
  applyIncrement,
  applyPut,
  applyTruncate,
} from "./operations";
import { applyTxn } from "./txn";
import { txnReads } from "./txn-reads";
import type { CommandReads } from "./view";

/** The operations that only read and change records of the command's own namespace. */
export type RecordOperation = Extract<
  NonNullable<Command["operation"]>,
  { $case: "put" | "delete" | "deleteRange" | "increment" | "append" | "truncate" | "txn" }
>;

/** What the operation may need of the store. */
export function recordReads(namespace: Namespace, operation: RecordOperation): CommandReads {
  switch (operation.$case) {
    case "put":
    case "delete":
      return keyReads(namespace, operation.value.key, operation.value.returnPrevious);
    case "increment":
    case "append":
      return keyReads(namespace, operation.value.key, true);
    case "deleteRange":
      return deleteRangeReads(namespace, operation.value);
    case "txn":
      return txnReads(namespace, operation.value);
    case "truncate":
      return NO_READS;
    default:
      return unreachable(operation);
  }
}

/** Carries the operation out, between Batch.begin and end or abort. */
export function applyRecordOperation(batch: Batch, operation: RecordOperation): Result {
  switch (operation.$case) {
    case "put":
      return applyPut(batch, operation.value);
    case "delete":
      return applyDelete(batch, operation.value);
    case "deleteRange":
      return applyDeleteRange(batch, operation.value);
    case "increment":
      return applyIncrement(batch, operation.value);
    case "append":
      return applyAppend(batch, operation.value);
    case "truncate":
      return applyTruncate(batch);
    case "txn":
      return applyTxn(batch, operation.value);
    default:
      return unreachable(operation);
  }
}
