import { Answer, type AnswerRecord, type Done, encodePlainAnswer, Refusal } from "@quorate/proto/log";
import { assert, EMPTY_BYTES } from "#std";
import { encoderOf } from "./encoder";
import type { StoredRecord } from "./record";

const encode = encoderOf(Answer, { revision: 0n, result: undefined });

/** @param revision the answer's; to be given as a number where it is at hand, which nearly all answers need nothing more of */
export function encodeAnswer(answer: Answer, revision: number | bigint = answer.revision): Uint8Array {
  return answer.result === DONE ? encodePlainAnswer(revision) : encode(answer);
}

/** The answer that encodeAnswer made the bytes of. Byte fields share memory with `bytes`. */
export function decodeAnswer(bytes: Uint8Array): Answer {
  return Answer.decode(bytes);
}

/** What an operation found or did, before the revision is put to it. */
export type Result = NonNullable<Answer["result"]>;

/** The result of most commands, shared: answers are never written to. */
export const DONE: Result = Object.freeze({
  $case: "done",
  value: Object.freeze({
    previous: undefined,
    record: undefined,
    deleted: 0n,
    value: 0n,
    clientId: 0n,
    ttlMs: 0n,
    namespaceId: 0n,
    leaseId: 0n,
    renewals: [],
    txn: undefined,
    records: [],
    more: false,
    count: 0n,
  }),
});

export function done(fields: Partial<Done>): Result {
  assert(DONE.$case === "done", "the plain result is a done one");
  return { $case: "done", value: { ...DONE.value, ...fields } };
}

export function refused(refusal: Refusal, message: string): Extract<Result, { $case: "refused" }> {
  return { $case: "refused", value: { refusal, message, oldestRevision: 0n } };
}

export function refusedAsCompacted(message: string, oldestRevision: number): Result {
  const value = { refusal: Refusal.COMPACTED, message, oldestRevision: BigInt(oldestRevision) };
  return { $case: "refused", value };
}

/** @param record with its value */
export function answerRecord(record: StoredRecord): AnswerRecord {
  assert(record.value.length === record.valueBytes, "a record in an answer was read with its value");
  return answerWith(record, record.value);
}

/** The record without its value. */
export function answerKey(record: StoredRecord): AnswerRecord {
  return answerWith(record, EMPTY_BYTES);
}

function answerWith(record: StoredRecord, value: Uint8Array): AnswerRecord {
  return {
    key: record.key,
    value,
    createRevision: BigInt(record.createRevision),
    modRevision: BigInt(record.modRevision),
    version: BigInt(record.version),
    leaseId: BigInt(record.leaseId),
  };
}
