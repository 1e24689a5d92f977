import {
  type AnswerRecord,
  type DeleteRange,
  type Done,
  Refusal,
  type Txn,
  type TxnRange,
} from "@quorate/proto/log";
import { unreachable } from "#std";
import { answerKey, answerRecord, DONE, done, type Result, refused } from "./answer";
import type { Batch } from "./batch";
import { TXN_COUNT_MAX, TXN_RANGE_DELETIONS_MAX } from "./limits";
import { applyAppend, applyDelete, applyIncrement, applyPut, deleteRecords } from "./operations";
import type { RangeCut } from "./range-meter";
import { compareHolds } from "./txn-compare";
import {
  type PlannedCompare,
  type PlannedOperation,
  type PlannedRange,
  planTxn,
  type TxnPlan,
} from "./txn-plan";

/** What a record in an answer is taken to need besides its key and value. */
const ANSWER_RECORD_BYTES = 64;

/**
 * Compares, then carries out one of the branches, each operation on what the earlier ones left. A refused operation
 * refuses the whole; what was staged until then is the caller's to drop.
 */
export function applyTxn(batch: Batch, txn: Txn): Result {
  const { plan } = planTxn(batch.namespace, txn);
  return new TxnRun(batch, Number(txn.answerBytesMax)).txn(plan, "");
}

type Refused = Extract<Result, { $case: "refused" }>;
type SingleOperation = Extract<PlannedOperation, { kind: "single" }>["operation"];
type LeafOperation = Exclude<PlannedOperation, { kind: "txn" }>;

class TxnRun {
  private answerBytes = 0;
  private rangeDeletions = 0;

  constructor(
    private readonly batch: Batch,
    private readonly answerBytesMax: number,
  ) {}

  /** @param path leads to a nested Txn, for messages */
  txn(plan: TxnPlan, path: string): Result {
    let succeeded = true;
    for (const [at, compare] of plan.compares.entries()) {
      const holds = this.holds(compare);
      if (typeof holds !== "boolean") return placed(`${path}compares[${at}]`, holds);
      succeeded = holds;
      if (!succeeded) break;
    }
    const branch = succeeded ? "success" : "failure";
    const results: Done[] = [];
    for (const [at, operation] of plan[branch].entries()) {
      if (operation.kind === "txn") {
        const nested = this.txn(operation.plan, `${path}${branch}[${at}].`);
        if (nested.$case === "refused") return nested;
        results.push(nested.value);
      } else {
        const result = this.leaf(operation);
        if (result.$case === "refused") return placed(`${path}${branch}[${at}]`, result);
        results.push(result.value);
      }
    }
    return done({ txn: { succeeded, results } });
  }

  private holds(planned: PlannedCompare): boolean | Refused {
    const { compare } = planned;
    if (planned.kind === "key") {
      return compareHolds(compare, this.batch.newest(compare.key));
    }
    if (planned.range === null) return true;
    const { records, cut } = this.batch.range(planned.range.position, planned.range.read);
    if (records.length > TXN_COUNT_MAX) {
      return tooLarge(`the range holds more than ${TXN_COUNT_MAX} keys, the most that one compare looks at`);
    }
    if (cut !== null) return this.cutShort(cut);
    return records.every((record) => compareHolds(compare, record));
  }

  private leaf(operation: LeafOperation): Result {
    const result = this.carryOut(operation);
    if (result.$case === "refused") return result;
    this.answerBytes += answerBytesOf(result.value);
    if (this.answerBytes <= this.answerBytesMax) return result;
    return tooLarge(`the answer would be longer than ${this.answerBytesMax} bytes, the limit for an answer`);
  }

  private carryOut(operation: LeafOperation): Result {
    switch (operation.kind) {
      case "single":
        return this.single(operation.operation);
      case "deleteRange":
        return operation.range === null ? DONE : this.deleteRange(operation.deletion, operation.range);
      case "range":
        return operation.range === null ? DONE : this.range(operation.wanted, operation.range);
      default:
        return unreachable(operation);
    }
  }

  private single(operation: SingleOperation): Result {
    switch (operation.$case) {
      case "put":
        return applyPut(this.batch, operation.value);
      case "delete":
        return applyDelete(this.batch, operation.value);
      case "increment":
        return applyIncrement(this.batch, operation.value);
      case "append":
        return applyAppend(this.batch, operation.value);
      case "get": {
        const { key } = operation.value;
        const newest = this.batch.newest(key);
        return newest === null ? DONE : done({ record: answerRecord(newest) });
      }
      default:
        return unreachable(operation);
    }
  }

  private deleteRange({ keysMax }: DeleteRange, { position, read }: PlannedRange): Result {
    const { records, cut } = this.batch.range(position, read);
    if (records.length > keysMax) {
      return tooLarge(`the range holds more than ${keysMax} keys, the most that one call deletes`);
    }
    if (cut === "keys") return this.cutShort(cut);
    this.rangeDeletions += records.length;
    if (this.rangeDeletions > TXN_RANGE_DELETIONS_MAX) {
      return tooLarge(
        `the ranges hold more than ${TXN_RANGE_DELETIONS_MAX} keys, the most that those of one Txn delete together`,
      );
    }
    return deleteRecords(this.batch, records);
  }

  private range({ limit, keysOnly, countOnly }: TxnRange, { position, read }: PlannedRange): Result {
    const { records, cut } = this.batch.range(position, read);
    const more = records.length > limit;
    if (countOnly) {
      if (more) return tooLarge(`the range holds more than ${limit} keys, the most that are counted`);
      if (cut === "keys") return this.cutShort(cut);
      return done({ count: BigInt(records.length) });
    }
    if (!more && cut !== null) return this.cutShort(cut);
    const wanted = more ? records.slice(0, Number(limit)) : records;
    return done({ records: wanted.map(keysOnly ? answerKey : answerRecord), more });
  }

  /** A range was not read as far as it is needed. */
  private cutShort(cut: RangeCut): Refused {
    if (cut === "keys") {
      return tooLarge("the keys of the range are more or longer than one of so many ranges may hold");
    }
    return tooLarge(
      `the values of the range are longer than ${this.answerBytesMax} bytes, the limit for an answer`,
    );
  }
}

function tooLarge(message: string): Refused {
  return refused(Refusal.TOO_LARGE, message);
}

function placed(place: string, { value }: Refused): Refused {
  return { $case: "refused", value: { ...value, message: `${place}: ${value.message}` } };
}

function answerBytesOf({ previous, record, records }: Done): number {
  let bytes = 0;
  if (previous !== undefined) bytes += recordBytes(previous);
  if (record !== undefined) bytes += recordBytes(record);
  for (const found of records) bytes += recordBytes(found);
  return bytes;
}

function recordBytes({ key, value }: AnswerRecord): number {
  return key.length + value.length + ANSWER_RECORD_BYTES;
}
