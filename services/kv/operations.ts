import {
  type Append,
  type Delete,
  type DeleteRange,
  type Increment,
  type Put,
  Refusal,
} from "@quorate/proto/log";
import { assert, concatBytes } from "#std";
import { answerRecord, DONE, done, type Result, refused } from "./answer";
import type { Batch } from "./batch";
import { byteKey } from "./byte-key";
import { formatDecimal, isInt64, parseDecimal } from "./decimal";
import type { KeyRange } from "./key-range";
import type { Namespace } from "./namespace";
import type { StoredRecord } from "./record";

/*
 * What each operation on records does: it reads and changes through the batch, and says what it did.
 */

export function applyPut(batch: Batch, namespace: Namespace, put: Put): Result {
  if (put.leaseId !== 0n)
    return refused(Refusal.UNKNOWN_LEASE, `there is no lease with lease_id ${put.leaseId}`);
  const id = byteKey(put.key);
  const newest = batch.newest(namespace, put.key, id);
  const failed = checkCondition(put.expectedModRevision, newest);
  if (failed !== null) return failed;
  const result = put.returnPrevious && newest !== null ? done({ previous: answerRecord(newest) }) : DONE;
  batch.put(namespace, id, newest, { key: put.key, value: put.value, leaseId: 0 });
  return result;
}

export function applyDelete(batch: Batch, namespace: Namespace, deletion: Delete): Result {
  const id = byteKey(deletion.key);
  const newest = batch.newest(namespace, deletion.key, id);
  const failed = checkCondition(deletion.expectedModRevision, newest);
  if (failed !== null) return failed;
  if (newest === null) return DONE;
  const previous = deletion.returnPrevious ? answerRecord(newest) : undefined;
  batch.delete(namespace, id, newest);
  return done({ deleted: 1n, previous });
}

export function applyDeleteRange(
  batch: Batch,
  namespace: Namespace,
  deletion: DeleteRange,
  range: KeyRange,
): Result {
  const keysMax = Number(deletion.keysMax);
  // One more than is allowed tells a range that is too large.
  const records = batch.range(namespace, range, keysMax + 1);
  if (records.length > keysMax) {
    return refused(
      Refusal.TOO_LARGE,
      `the range holds more than ${deletion.keysMax} keys, the most that one call deletes; nothing was deleted`,
    );
  }
  for (const record of records) batch.delete(namespace, byteKey(record.key), record);
  return done({ deleted: BigInt(records.length) });
}

export function applyIncrement(batch: Batch, namespace: Namespace, increment: Increment): Result {
  const { key } = increment;
  const id = byteKey(key);
  const newest = batch.newest(namespace, key, id);
  const before = newest === null ? 0n : parseDecimal(readValue(newest));
  if (before === null) {
    return refused(Refusal.NOT_AN_INTEGER, "the value is not the decimal text of a signed 64-bit integer");
  }
  const value = before + increment.delta;
  if (!isInt64(value)) {
    return refused(
      Refusal.INTEGER_OVERFLOW,
      `${before} with delta ${increment.delta} does not fit in a signed 64-bit integer`,
    );
  }
  batch.put(namespace, id, newest, { key, value: formatDecimal(value), leaseId: newest?.leaseId ?? 0 });
  return done({ value });
}

export function applyAppend(batch: Batch, namespace: Namespace, append: Append): Result {
  const { key } = append;
  const id = byteKey(key);
  const newest = batch.newest(namespace, key, id);
  if (newest !== null && append.value.length === 0) return done({ record: answerRecord(newest) });
  const valueBytes = (newest?.valueBytes ?? 0) + append.value.length;
  if (valueBytes > Number(append.valueBytesMax)) {
    return refused(
      Refusal.TOO_LARGE,
      `the value would be ${valueBytes} bytes long, over the limit of ${append.valueBytesMax} bytes for a value`,
    );
  }
  const value = newest === null ? append.value : joined(readValue(newest), append);
  const record = batch.put(namespace, id, newest, { key, value, leaseId: newest?.leaseId ?? 0 });
  return done({ record: answerRecord(record) });
}

export function applyTruncate(batch: Batch, namespace: Namespace): Result {
  const { keyCount } = namespace;
  if (keyCount === 0) return DONE;
  batch.truncate(namespace);
  return done({ deleted: BigInt(keyCount) });
}

/** The refusal, when a condition is set and does not hold. */
function checkCondition(expected: bigint | undefined, newest: StoredRecord | null): Result | null {
  if (expected === undefined) return null;
  const modRevision = newest?.modRevision ?? 0;
  if (expected === BigInt(modRevision)) return null;
  return refused(
    Refusal.CONDITION_FAILED,
    newest === null
      ? `expected_mod_revision is ${expected}, but there is no such key (mod_revision 0)`
      : `expected_mod_revision is ${expected}, but the key has mod_revision ${modRevision}`,
  );
}

function readValue(record: StoredRecord): Uint8Array {
  assert(record.value.length === record.valueBytes, "a value that is needed was read");
  return record.value;
}

function joined(value: Uint8Array, append: Append): Uint8Array {
  return concatBytes(append.atStart ? [append.value, value] : [value, append.value]);
}
