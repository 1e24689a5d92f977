import type { Record as KvRecord, PlainHeader, ResponseHeader } from "@quorate/proto/kv";
import type { AnswerRecord } from "@quorate/proto/log";
import type { StoredRecord } from "#kv";
import type { NodeContext } from "./node-context";

export function responseHeader(node: NodeContext, term: number, revision: number | bigint): ResponseHeader {
  return {
    clusterId: node.clusterId,
    memberId: node.memberId,
    term: BigInt(term),
    revision: BigInt(revision),
  };
}

/** The same for messages that are encoded by hand. */
export function plainHeader(node: NodeContext, term: number, revision: number | bigint): PlainHeader {
  return { clusterId: node.clusterId, memberId: node.memberId, term, revision };
}

export function recordOfStored(record: StoredRecord): KvRecord {
  return {
    key: record.key,
    value: record.value,
    createRevision: BigInt(record.createRevision),
    modRevision: BigInt(record.modRevision),
    version: BigInt(record.version),
    leaseId: BigInt(record.leaseId),
  };
}

/** The two messages have the same fields, kept apart because one is stored for ever and the other is the API. */
export function recordOfAnswer(record: AnswerRecord | undefined): KvRecord | undefined {
  return record;
}
