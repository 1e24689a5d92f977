import { bytesTag, type Count, countTag, MessageReader, MessageWriter } from "./encoding";
import type { PlainHeader, PlainRecord } from "./frequent-calls";
import {
  type GetRequest,
  GetResponse,
  type PutRequest,
  PutResponse,
  ScanResponse,
} from "./gen/quorate/kv/v1/kv_service";
import { SharedMemory } from "./shared-memory";

/*
 * Put, Get and the parts of Scan by hand as their caller has them: the other side of frequent-calls.ts. Integers of answers are numbers, where
 * a number holds them.
 */

/** A Get as its caller has it: a key that is text stands for its bytes in UTF-8, and holds no lone surrogate. */
export type PlainGetRequest = Omit<GetRequest, "key"> & { readonly key: Uint8Array | string };

/** A Put likewise. */
export type PlainPutRequest = Omit<PutRequest, "key"> & { readonly key: Uint8Array | string };

/**
 * The answer to a Get, or to a Put: then the record is what was there before. It is in memory apart from the message's: small
 * ones that follow on one another share up to 8 KiB.
 */
export interface PlainAnswer {
  readonly header: PlainHeader | undefined;
  readonly record: PlainRecord | undefined;
}

/** A part of the answer to a Scan, in memory apart from the message's: what follows on one another shares up to 16 KiB. */
export interface PlainScanPart {
  readonly header: PlainHeader | undefined;
  readonly records: readonly PlainRecord[];
  readonly more: boolean;
  readonly nextCursor: Uint8Array;
}

const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

/** A record that is kept for itself keeps so much; an array of bytes for each would cost the engine more than the copying. */
const SHARED_BYTES = 16 * 1024;
/** A record that is longer has memory of its own. */
const OWN_BYTES_MIN = 4 * 1024;

// Of calls that wait for their answers: all of a time come and go together.
const writer = new MessageWriter("together");
const memory = new SharedMemory();
const reader = new MessageReader();

export function encodePutRequest(request: PlainPutRequest): Uint8Array {
  const { namespace, key, value, leaseId, returnPrevious, expectedModRevision } = request;
  writer
    .begin()
    .optionalCount(countTag(6), expectedModRevision)
    .flag(countTag(5), returnPrevious)
    .count(countTag(4), leaseId)
    .bytes(bytesTag(3), value);
  return writeKey(key, namespace).finish();
}

export function encodeGetRequest(request: PlainGetRequest): Uint8Array {
  const { namespace, key, consistency, minRevision, maxStalenessMs, revision } = request;
  writer
    .begin()
    .count(countTag(13), revision)
    .count(countTag(12), maxStalenessMs)
    .count(countTag(11), minRevision)
    .count(countTag(10), consistency);
  return writeKey(key, namespace).finish();
}

/** The fields that both begin with. */
function writeKey(key: Uint8Array | string, namespace: string): MessageWriter {
  if (typeof key === "string") writer.text(bytesTag(2), key);
  else writer.bytes(bytesTag(2), key);
  return writer.text(bytesTag(1), namespace);
}

/** Throws where the generated code does. */
export function decodePutAnswer(bytes: Uint8Array): PlainAnswer {
  const plain = decodeAnswer(bytes);
  if (plain !== null) return plain;
  const { header, previous } = PutResponse.decode(bytes);
  return { header, record: previous && ownRecord(previous) };
}

/** Throws where the generated code does. */
export function decodeGetAnswer(bytes: Uint8Array): PlainAnswer {
  const plain = decodeAnswer(bytes);
  if (plain !== null) return plain;
  const { header, record } = GetResponse.decode(bytes);
  return { header, record: record && ownRecord(record) };
}

/** Throws where the generated code does. */
export function decodeScanPart(bytes: Uint8Array): PlainScanPart {
  let header: PlainHeader | undefined;
  const records: PlainRecord[] = [];
  let more = false;
  let nextCursor = EMPTY_BYTES;
  reader.begin(bytes);
  while (reader.hasMore) {
    const tag = reader.tag();
    if (tag === bytesTag(2)) {
      const end = reader.enter();
      reader.copied(SHARED_BYTES, OWN_BYTES_MIN);
      records.push(readRecord());
      reader.leave(end);
    } else if (tag === bytesTag(1)) {
      const end = reader.enter();
      header = readHeader();
      reader.leave(end);
    } else if (tag === countTag(3)) {
      more = reader.flag();
    } else if (tag === bytesTag(4)) {
      reader.copied(SHARED_BYTES, OWN_BYTES_MIN);
      nextCursor = reader.bytes();
    } else {
      reader.giveUp();
    }
  }
  return reader.finish() ? { header, records, more, nextCursor } : decodeOddScanPart(bytes);
}

function decodeOddScanPart(bytes: Uint8Array): PlainScanPart {
  const part = ScanResponse.decode(bytes);
  return { ...part, records: part.records.map(ownRecord), nextCursor: new Uint8Array(part.nextCursor) };
}

/** What the generated code decodes views the message. */
function ownRecord(record: PlainRecord): PlainRecord {
  return { ...record, key: new Uint8Array(record.key), value: new Uint8Array(record.value) };
}

/** null where the generated code is to decode it: see MessageReader. */
function decodeAnswer(bytes: Uint8Array): PlainAnswer | null {
  let header: PlainHeader | undefined;
  let record: PlainRecord | undefined;
  reader.begin(bytes);
  while (reader.hasMore) {
    const tag = reader.tag();
    // A message that comes twice is merged into one, which the generated code is left to.
    if (tag === bytesTag(1) && header === undefined) {
      const end = reader.enter();
      header = readHeader();
      reader.leave(end);
    } else if (tag === bytesTag(2) && record === undefined) {
      const end = reader.enter();
      reader.copiedTo(memory);
      record = readRecord();
      reader.leave(end);
    } else {
      reader.giveUp();
    }
  }
  return reader.finish() ? { header, record } : null;
}

/** Whoever answered last mostly answers again. */
let lastHeader: PlainHeader = { clusterId: "", memberId: "", term: 0, revision: 0 };

function readHeader(): PlainHeader {
  let clusterId = "";
  let memberId = "";
  let term: Count = 0;
  let revision: Count = 0;
  while (reader.hasMore) {
    switch (reader.tag()) {
      case bytesTag(1):
        clusterId = reader.repeatedText(lastHeader.clusterId);
        break;
      case bytesTag(2):
        memberId = reader.repeatedText(lastHeader.memberId);
        break;
      case countTag(3):
        term = reader.count();
        break;
      case countTag(4):
        revision = reader.count();
        break;
      default:
        reader.giveUp();
    }
  }
  lastHeader = { clusterId, memberId, term, revision };
  return lastHeader;
}

function readRecord(): PlainRecord {
  let key = EMPTY_BYTES;
  let value = EMPTY_BYTES;
  let createRevision: Count = 0;
  let modRevision: Count = 0;
  let version: Count = 0;
  let leaseId: Count = 0;
  while (reader.hasMore) {
    switch (reader.tag()) {
      case bytesTag(1):
        key = reader.bytes();
        break;
      case bytesTag(2):
        value = reader.bytes();
        break;
      case countTag(3):
        createRevision = reader.count();
        break;
      case countTag(4):
        modRevision = reader.count();
        break;
      case countTag(5):
        version = reader.count();
        break;
      case countTag(6):
        leaseId = reader.count();
        break;
      default:
        reader.giveUp();
    }
  }
  return { key, value, createRevision, modRevision, version, leaseId };
}
