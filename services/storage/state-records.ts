import type {
  Change,
  ChangeOrigin,
  MemberStore,
  NamespaceState,
  SessionAnswer,
  SessionState,
  StateMeta,
  StoredRecord,
} from "#kv";
import type { EntryId } from "#raft";
import { EMPTY_BYTES, unreachable } from "#std";
import { RecordReader } from "./record-reader";
import type { RecordWriter } from "./record-writer";
import {
  answerKey,
  batchKey,
  endedKey,
  headKey,
  memberStoreKey,
  namespaceKey,
  newestKey,
  revisionKey,
  sessionKey,
  VERSION_SUFFIX_BYTES,
  versionKey,
} from "./state-layout";

/** Rewritten by every batch. */
export interface StateHead {
  /** Of the batch that wrote it. */
  readonly batchNumber: number;
  readonly applied: EntryId;
  /** Batches up to this one are in synced tables. */
  readonly checkpointNumber: number;
  readonly meta: StateMeta;
}

/** The newest version of a key; `record` is null when that is a deletion, and has no value until it is loaded. */
export interface NewestVersion {
  readonly modRevision: number;
  readonly record: StoredRecord | null;
}

const PUT = 1;
const DELETED = 0;

export function writeHead(writer: RecordWriter, head: StateHead): RecordWriter {
  const { meta } = head;
  return headKey(writer)
    .endKey()
    .varint(head.batchNumber)
    .varint(head.applied.term)
    .varint(head.applied.index)
    .varint(head.checkpointNumber)
    .varint(meta.revision)
    .varint(meta.timeMs)
    .varint(meta.nextClientId)
    .varint(meta.nextNamespaceId);
}

export function readHead(value: Uint8Array): StateHead {
  const reader = new RecordReader(value);
  return {
    batchNumber: reader.varint(),
    applied: { term: reader.varint(), index: reader.varint() },
    checkpointNumber: reader.varint(),
    meta: {
      revision: reader.varint(),
      timeMs: reader.varint(),
      nextClientId: reader.varint(),
      nextNamespaceId: reader.varint(),
    },
  };
}

export function writeBatchNumber(writer: RecordWriter, batchNumber: number): RecordWriter {
  return batchKey(writer, batchNumber).endKey();
}

export function writeNamespace(writer: RecordWriter, namespace: NamespaceState): RecordWriter {
  return namespaceKey(writer, namespace.id)
    .endKey()
    .varint(namespace.id)
    .text(namespace.name)
    .varint(namespace.generation)
    .varint(namespace.keyCount)
    .varint(namespace.byteCount)
    .varint(namespace.oldestRevision);
}

export function readNamespace(value: Uint8Array): NamespaceState {
  const reader = new RecordReader(value);
  return {
    id: reader.varint(),
    name: reader.text(),
    generation: reader.varint(),
    keyCount: reader.varint(),
    byteCount: reader.varint(),
    oldestRevision: reader.varint(),
  };
}

export function writeSession(writer: RecordWriter, session: SessionState): RecordWriter {
  return sessionKey(writer, session.clientId)
    .endKey()
    .varint(session.clientId)
    .varint(session.namespaceId)
    .varint(session.ttlMs)
    .optionalVarint(session.deadlineMs)
    .varint(session.firstUnanswered);
}

export function readSession(value: Uint8Array): SessionState {
  const reader = new RecordReader(value);
  return {
    clientId: reader.varint(),
    namespaceId: reader.varint(),
    ttlMs: reader.varint(),
    deadlineMs: reader.optionalVarint(),
    firstUnanswered: reader.varint(),
  };
}

export function writeAnswer(writer: RecordWriter, answer: SessionAnswer): RecordWriter {
  return answerKey(writer, answer.clientId, answer.sequence)
    .endKey()
    .varint(answer.clientId)
    .varint(answer.sequence)
    .bytes(answer.answer);
}

export function readAnswer(value: Uint8Array): SessionAnswer {
  const reader = new RecordReader(value);
  return { clientId: reader.varint(), sequence: reader.varint(), answer: reader.rest() };
}

export function writeMemberStore(writer: RecordWriter, member: MemberStore): RecordWriter {
  return memberStoreKey(writer, member.memberId).endKey().text(member.memberId).text(member.storeId);
}

export function readMemberStore(value: Uint8Array): MemberStore {
  const reader = new RecordReader(value);
  return { memberId: reader.text(), storeId: reader.text() };
}

export function writeEnded(writer: RecordWriter, ended: EndedGeneration): RecordWriter {
  return endedKey(writer, ended.namespaceId, ended.generation)
    .endKey()
    .varint(ended.namespaceId)
    .varint(ended.generation);
}

/** A generation whose keys nobody can read any more. */
export interface EndedGeneration {
  readonly namespaceId: number;
  readonly generation: number;
}

export function readEnded(value: Uint8Array): EndedGeneration {
  const reader = new RecordReader(value);
  return { namespaceId: reader.varint(), generation: reader.varint() };
}

/** Of a put or a delete: the `newest` record of its key. */
export function writeNewest(
  writer: RecordWriter,
  change: Exclude<Change, { kind: "truncate" }>,
): RecordWriter {
  const key = change.kind === "put" ? change.record.key : change.key;
  newestKey(writer, change.namespaceId, change.generation, key).endKey();
  if (change.kind === "delete") return writer.u8(DELETED).varint(change.revision);
  return writeMeta(writer.u8(PUT).varint(change.revision), change.record).varint(change.record.value.length);
}

export function readNewest(key: Uint8Array, value: Uint8Array): NewestVersion {
  const reader = new RecordReader(value);
  const put = reader.u8() === PUT;
  const modRevision = reader.varint();
  if (!put) return { modRevision, record: null };
  const createRevision = reader.varint();
  const version = reader.varint();
  const leaseId = reader.varint();
  const valueBytes = reader.varint();
  const record = { key, value: EMPTY_BYTES, valueBytes, createRevision, modRevision, version, leaseId };
  return { modRevision, record };
}

/** Of a put or a delete: the `version` record. */
export function writeVersion(
  writer: RecordWriter,
  change: Exclude<Change, { kind: "truncate" }>,
): RecordWriter {
  const key = change.kind === "put" ? change.record.key : change.key;
  versionKey(writer, change.namespaceId, change.generation, key, change.revision).endKey();
  if (change.kind === "delete") return writer.u8(DELETED);
  return writeMeta(writer.u8(PUT), change.record).bytes(change.record.value);
}

/** The record of a version, or null for a deletion. */
export function readVersion(key: Uint8Array, modRevision: number, value: Uint8Array): StoredRecord | null {
  const reader = new RecordReader(value);
  if (reader.u8() !== PUT) return null;
  const createRevision = reader.varint();
  const version = reader.varint();
  const leaseId = reader.varint();
  const bytes = reader.rest();
  return { key, value: bytes, valueBytes: bytes.length, createRevision, modRevision, version, leaseId };
}

export function withoutValue(record: StoredRecord): StoredRecord {
  return record.value.length === 0 ? record : { ...record, value: EMPTY_BYTES };
}

export function revisionOfVersionKey(storedKey: Uint8Array): number {
  return new RecordReader(storedKey, storedKey.length - VERSION_SUFFIX_BYTES).u64Descending();
}

const codeOfChange = { put: 1, delete: 2, truncate: 3 } as const satisfies Record<Change["kind"], number>;

/** What the revision changed: enough to find the version that holds the rest. */
export function writeRevision(writer: RecordWriter, change: Change): RecordWriter {
  revisionKey(writer, change.revision, change.ordinal)
    .endKey()
    .u8(codeOfChange[change.kind])
    .varint(change.namespaceId)
    .varint(change.generation);
  writeOrigin(writer, change.origin);
  switch (change.kind) {
    case "put":
      return writer.bytes(change.record.key);
    case "delete":
      return writer.bytes(change.key);
    case "truncate":
      return writer;
    default:
      return unreachable(change);
  }
}

function writeOrigin(writer: RecordWriter, origin: ChangeOrigin): void {
  writer.varint(origin.wallTimeMs);
  if (origin.requestId === null) writer.u8(0);
  else writer.u8(1).varint(origin.requestId.clientId).varint(origin.requestId.sequence);
}

function writeMeta(writer: RecordWriter, record: StoredRecord): RecordWriter {
  return writer.varint(record.createRevision).varint(record.version).varint(record.leaseId);
}
