import { bytesTag, type Count, countTag, MessageReader, MessageWriter } from "./encoding";
import type { GetRequest, PutRequest } from "./gen/quorate/kv/v1/kv_service";
import { Consistency } from "./gen/quorate/kv/v1/types";

/*
 * The messages that come with every call of the commonest kinds, by hand: the generated code takes several times as long,
 * most of it for the kilobyte that each of its writers begins with and for integers that it makes BigInts of.
 */

/** A ResponseHeader. */
export interface PlainHeader {
  readonly clusterId: string;
  readonly memberId: string;
  readonly term: Count;
  readonly revision: Count;
}

/** A Record. */
export interface PlainRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: Count;
  readonly modRevision: Count;
  readonly version: Count;
  readonly leaseId: Count;
}

const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

const header = { clusterId: bytesTag(1), memberId: bytesTag(2), term: countTag(3), revision: countTag(4) };

const record = {
  key: bytesTag(1),
  value: bytesTag(2),
  createRevision: countTag(3),
  modRevision: countTag(4),
  version: countTag(5),
  leaseId: countTag(6),
};

/** PutResponse and GetResponse are alike: a header and perhaps a record. */
const answer = { header: bytesTag(1), record: bytesTag(2) };

const scanResponse = {
  header: bytesTag(1),
  records: bytesTag(2),
  more: countTag(3),
  nextCursor: bytesTag(4),
};

const writer = new MessageWriter();
// Of answers that are gone as soon as the transport has taken them.
const answerWriter = new MessageWriter("together");
const startWriter = new MessageWriter();
const reader = new MessageReader();

export function encodePutResponse(header: PlainHeader, previous: PlainRecord | null): Uint8Array {
  return encodeAnswer(header, previous);
}

export function encodeGetResponse(header: PlainHeader, found: PlainRecord | null): Uint8Array {
  return encodeAnswer(header, found);
}

export function encodeScanResponse(response: {
  readonly header: PlainHeader;
  readonly records: readonly PlainRecord[];
  readonly more: boolean;
  readonly nextCursor: Uint8Array;
}): Uint8Array {
  writer.begin().bytes(scanResponse.nextCursor, response.nextCursor).flag(scanResponse.more, response.more);
  for (let at = response.records.length - 1; at >= 0; at -= 1) {
    writeRecord(writer, scanResponse.records, response.records[at] as PlainRecord);
  }
  writeHeader(writer, scanResponse.header, response.header);
  return writer.finish();
}

/** null where the generated code is to decode it: see MessageReader. Byte fields are views. */
export function decodePutRequest(bytes: Uint8Array): PutRequest | null {
  let namespace = "";
  let key = EMPTY_BYTES;
  let value = EMPTY_BYTES;
  let leaseId = 0n;
  let returnPrevious = false;
  let expectedModRevision: bigint | undefined;
  reader.begin(bytes);
  while (reader.hasMore) {
    switch (reader.tag()) {
      case bytesTag(1):
        namespace = reader.text();
        break;
      case bytesTag(2):
        key = reader.bytes();
        break;
      case bytesTag(3):
        value = reader.bytes();
        break;
      case countTag(4):
        leaseId = reader.int64();
        break;
      case countTag(5):
        returnPrevious = reader.flag();
        break;
      case countTag(6):
        expectedModRevision = reader.int64();
        break;
      default:
        reader.giveUp();
    }
  }
  return reader.finish() ? { namespace, key, value, leaseId, returnPrevious, expectedModRevision } : null;
}

/** null where the generated code is to decode it: see MessageReader. Byte fields are views. */
export function decodeGetRequest(bytes: Uint8Array): GetRequest | null {
  let namespace = "";
  let key = EMPTY_BYTES;
  let consistency = Consistency.UNSPECIFIED;
  let minRevision = 0n;
  let maxStalenessMs = 0n;
  let revision = 0n;
  reader.begin(bytes);
  while (reader.hasMore) {
    switch (reader.tag()) {
      case bytesTag(1):
        namespace = reader.text();
        break;
      case bytesTag(2):
        key = reader.bytes();
        break;
      case countTag(10):
        consistency = reader.count();
        break;
      case countTag(11):
        minRevision = reader.int64();
        break;
      case countTag(12):
        maxStalenessMs = reader.int64();
        break;
      case countTag(13):
        revision = reader.int64();
        break;
      default:
        reader.giveUp();
    }
  }
  // An enum is 32 bits wide: what is wider is cut by the generated code.
  const isPlain = reader.finish() && consistency < 2 ** 31;
  return isPlain ? { namespace, key, consistency, minRevision, maxStalenessMs, revision } : null;
}

function encodeAnswer(header: PlainHeader, record: PlainRecord | null): Uint8Array {
  answerWriter.begin();
  if (record !== null) writeRecord(answerWriter, answer.record, record);
  writeHeader(answerWriter, answer.header, header);
  return answerWriter.finish();
}

function writeHeader(
  to: MessageWriter,
  tag: number,
  { clusterId, memberId, term, revision }: PlainHeader,
): void {
  const from = to.length;
  if (clusterId !== lastStart.clusterId || memberId !== lastStart.memberId || term !== lastStart.term)
    lastStart = startOf(clusterId, memberId, term);
  to.count(header.revision, revision).raw(lastStart.bytes).message(tag, from);
}

/** What headers of one member begin with, as long as nobody else leads. */
let lastStart: {
  readonly clusterId: string;
  readonly memberId: string;
  readonly term: Count;
  readonly bytes: Uint8Array;
} = { clusterId: "", memberId: "", term: 0, bytes: EMPTY_BYTES };

function startOf(clusterId: string, memberId: string, term: Count): typeof lastStart {
  const bytes = startWriter
    .begin()
    .count(header.term, term)
    .text(header.memberId, memberId)
    .text(header.clusterId, clusterId)
    .finish();
  return { clusterId, memberId, term, bytes };
}

function writeRecord(to: MessageWriter, tag: number, fields: PlainRecord): void {
  const from = to.length;
  to.count(record.leaseId, fields.leaseId)
    .count(record.version, fields.version)
    .count(record.modRevision, fields.modRevision)
    .count(record.createRevision, fields.createRevision)
    .bytes(record.value, fields.value)
    .bytes(record.key, fields.key)
    .message(tag, from);
}
