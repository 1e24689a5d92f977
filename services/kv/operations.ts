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
import { deleteRangeReads } from "./command-reads";
import { formatDecimal, isInt64, parseDecimal } from "./decimal";
import { unknownLease } from "./lease-operations";
import { LEASE_KEYS_MAX } from "./limits";
import type { StoredRecord } from "./record";

/*
 * What each operation on records does: it reads and changes through the batch, and says what it did.
 */

export function applyPut(batch: Batch, put: Put): Result {
  const newest = batch.newest(put.key);
  const failed = checkLease(batch, put.leaseId, newest) ?? checkCondition(put.expectedModRevision, newest);
  if (failed !== null) return failed;
  const result = put.returnPrevious && newest !== null ? done({ previous: answerRecord(newest) }) : DONE;
  batch.put(newest, { key: put.key, value: put.value, leaseId: Number(put.leaseId) });
  return result;
}

export function applyDelete(batch: Batch, deletion: Delete): Result {
  const newest = batch.newest(deletion.key);
  const failed = checkCondition(deletion.expectedModRevision, newest);
  if (failed !== null) return failed;
  if (newest === null) return DONE;
  const previous = deletion.returnPrevious ? answerRecord(newest) : undefined;
  batch.delete(newest);
  return done({ deleted: 1n, previous });
}

export function applyDeleteRange(batch: Batch, deletion: DeleteRange): Result {
  const read = deleteRangeReads(batch.namespace, deletion).ranges[0];
  // Nothing is declared of a range that no key can be in.
  if (read === undefined) return DONE;
  const { records } = batch.range(0, read);
  if (records.length > deletion.keysMax) {
    return refused(
      Refusal.TOO_LARGE,
      `the range holds more than ${deletion.keysMax} keys, the most that one call deletes; nothing was deleted`,
    );
  }
  return deleteRecords(batch, records);
}

export function deleteRecords(batch: Batch, records: readonly StoredRecord[]): Result {
  for (const record of records) batch.delete(record);
  return done({ deleted: BigInt(records.length) });
}

export function applyIncrement(batch: Batch, increment: Increment): Result {
  const { key } = increment;
  const newest = batch.newest(key);
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
  batch.put(newest, { key, value: formatDecimal(value), leaseId: newest?.leaseId ?? 0 });
  return done({ value });
}

export function applyAppend(batch: Batch, append: Append): Result {
  const { key } = append;
  const newest = batch.newest(key);
  if (newest !== null && append.value.length === 0) return done({ record: answerRecord(newest) });
  const valueBytes = (newest?.valueBytes ?? 0) + append.value.length;
  if (valueBytes > Number(append.valueBytesMax)) {
    return refused(
      Refusal.TOO_LARGE,
      `the value would be ${valueBytes} bytes long, over the limit of ${append.valueBytesMax} bytes for a value`,
    );
  }
  const value = newest === null ? append.value : joined(readValue(newest), append);
  const record = batch.put(newest, { key, value, leaseId: newest?.leaseId ?? 0 });
  return done({ record: answerRecord(record) });
}

export function applyTruncate(batch: Batch): Result {
  const { keyCount } = batch.namespace;
  if (keyCount === 0) return DONE;
  batch.truncate();
  return done({ deleted: BigInt(keyCount) });
}

/** The refusal, when there is no such lease or it has as many keys as it may have. */
function checkLease(batch: Batch, leaseId: bigint, newest: StoredRecord | null): Result | null {
  if (leaseId === 0n) return null;
  const id = leaseId <= Number.MAX_SAFE_INTEGER ? Number(leaseId) : 0;
  if (!batch.hasLease(id)) {
    return unknownLease(leaseId);
  }
  if (newest?.leaseId === id || batch.leaseKeyCount(id) < LEASE_KEYS_MAX) return null;
  return refused(
    Refusal.TOO_LARGE,
    `lease ${leaseId} has ${LEASE_KEYS_MAX} keys, the most that a lease may have`,
  );
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
