import type {
  LeaseKey,
  LeaseState,
  MembershipState,
  NamespaceState,
  SessionAnswer,
  SessionState,
  StateMeta,
} from "#kv";
import type { EntryId } from "#raft";
import { RecordReader } from "./record-reader";
import type { RecordWriter } from "./record-writer";
import {
  answersKey,
  batchKey,
  endedKey,
  headKey,
  leaseKey,
  leaseKeyKey,
  membershipKey,
  namespaceKey,
  sessionKey,
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
    .varint(meta.nextNamespaceId)
    .varint(meta.nextLeaseId)
    .varint(meta.compactedRevision)
    .varint(meta.verifyRound);
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
      nextLeaseId: reader.varint(),
      compactedRevision: reader.varint(),
      verifyRound: reader.varint(),
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
    .varint(namespace.oldestRevision)
    .varint(namespace.firstEventRevision)
    .optionalVarint(namespace.keysMax)
    .optionalVarint(namespace.bytesMax);
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
    firstEventRevision: reader.varint(),
    keysMax: reader.optionalVarint(),
    bytesMax: reader.optionalVarint(),
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

export function writeAnswers(
  writer: RecordWriter,
  rowNumber: number,
  answers: readonly SessionAnswer[],
): RecordWriter {
  answersKey(writer, rowNumber).endKey().varint(answers.length);
  for (const { clientId, sequence, answer } of answers) {
    writer.varint(clientId).varint(sequence).varint(answer.length).bytes(answer);
  }
  return writer;
}

/** Each with memory of its own, for those that are kept outlive those beside them. */
export function readAnswers(value: Uint8Array): readonly SessionAnswer[] {
  const reader = new RecordReader(value);
  return readMany(reader, () => ({
    clientId: reader.varint(),
    sequence: reader.varint(),
    answer: new Uint8Array(reader.bytes(reader.varint())),
  }));
}

export function writeMembership(writer: RecordWriter, membership: MembershipState): RecordWriter {
  const { epoch, configuration, members, retiredStores } = membership;
  membershipKey(writer).endKey().varint(epoch);
  for (const ids of [
    configuration.voters,
    configuration.votersOutgoing,
    configuration.learners,
    configuration.learnersNext,
  ]) {
    writeTexts(writer, ids);
  }
  writer.u8(configuration.autoLeave ? 1 : 0).varint(members.length);
  for (const member of members) {
    writer
      .text(member.memberId)
      .text(member.clientAddress)
      .text(member.peerAddress)
      .varint(member.priority)
      .u8(member.promoteWhenCaughtUp ? 1 : 0)
      .text(member.replaces);
    if (member.storeId === null) writer.u8(0);
    else writer.u8(1).text(member.storeId);
  }
  return writeTexts(writer, retiredStores);
}

export function readMembership(value: Uint8Array): MembershipState {
  const reader = new RecordReader(value);
  return {
    epoch: reader.varint(),
    configuration: {
      voters: readTexts(reader),
      votersOutgoing: readTexts(reader),
      learners: readTexts(reader),
      learnersNext: readTexts(reader),
      autoLeave: reader.u8() === 1,
    },
    members: readMany(reader, () => ({
      memberId: reader.text(),
      clientAddress: reader.text(),
      peerAddress: reader.text(),
      priority: reader.varint(),
      promoteWhenCaughtUp: reader.u8() === 1,
      replaces: reader.text(),
      storeId: reader.u8() === 0 ? null : reader.text(),
    })),
    retiredStores: readTexts(reader),
  };
}

function writeTexts(writer: RecordWriter, texts: readonly string[]): RecordWriter {
  writer.varint(texts.length);
  for (const text of texts) writer.text(text);
  return writer;
}

function readTexts(reader: RecordReader): readonly string[] {
  return readMany(reader, () => reader.text());
}

function readMany<Item>(reader: RecordReader, read: () => Item): readonly Item[] {
  return Array.from({ length: reader.varint() }, read);
}

export function writeLease(writer: RecordWriter, lease: LeaseState): RecordWriter {
  return leaseKey(writer, lease.leaseId)
    .endKey()
    .varint(lease.leaseId)
    .varint(lease.namespaceId)
    .varint(lease.ttlMs)
    .optionalVarint(lease.deadlineMs);
}

export function readLease(value: Uint8Array): LeaseState {
  const reader = new RecordReader(value);
  return {
    leaseId: reader.varint(),
    namespaceId: reader.varint(),
    ttlMs: reader.varint(),
    deadlineMs: reader.optionalVarint(),
  };
}

export function writeLeaseKey(writer: RecordWriter, attached: LeaseKey): RecordWriter {
  return leaseKeyKey(writer, attached)
    .endKey()
    .varint(attached.leaseId)
    .varint(attached.namespaceId)
    .varint(attached.generation)
    .bytes(attached.key);
}

export function readLeaseKey(value: Uint8Array): LeaseKey {
  const reader = new RecordReader(value);
  return {
    leaseId: reader.varint(),
    namespaceId: reader.varint(),
    generation: reader.varint(),
    key: reader.rest(),
  };
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
