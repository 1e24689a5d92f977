import type { LeaseKey } from "#kv";
import { RecordReader } from "./record-reader";
import type { RecordWriter } from "./record-writer";

/*
 * Keys of the state database: a kind (u8), then fields in big-endian order. `newest` has one record a key of a
 * namespace with its value, deleted ones included, and is what reads and scans go by; `version` has every version of a
 * key, newest first; `revision` has what a batch changed in a namespace, many changes a row, for watch and history; `answer` has the
 * answers that a batch kept for sessions, many a row. A value ends with a checksum over its key too.
 */

const KIND = {
  head: 0x01,
  /** One a batch since the last checkpoint, so that a hole in LevelDB's log is seen. */
  batch: 0x02,
  namespace: 0x03,
  session: 0x04,
  answer: 0x05,
  membership: 0x06,
  /** A generation that ended and whose keys are still to be removed. */
  ended: 0x07,
  lease: 0x08,
  leaseKey: 0x09,
  newest: 0x10,
  version: 0x11,
  revision: 0x12,
} as const;

export type KeyKind = keyof typeof KIND;

export interface KeyRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

/** Sorts after every key: compacting this range touches no table, and still makes one of what is in memory. */
export const RANGE_WITHOUT_KEYS = [Uint8Array.of(0xfe), Uint8Array.of(0xff)] as const;

/** All that an image holds besides the head: batch numbers are of this directory alone. */
export const RANGE_OF_IMAGE: KeyRange = {
  gte: Uint8Array.of(KIND.namespace),
  lt: Uint8Array.of(KIND.revision + 1),
};

/** All kinds that grow with the keys of users and their history. */
export const RANGE_OF_RECORDS: KeyRange = {
  gte: Uint8Array.of(KIND.leaseKey),
  lt: Uint8Array.of(KIND.revision + 1),
};

export function headKey(writer: RecordWriter): RecordWriter {
  return writer.begin(KIND.head);
}

export function batchKey(writer: RecordWriter, batchNumber: number): RecordWriter {
  return writer.begin(KIND.batch).u64(batchNumber);
}

export function namespaceKey(writer: RecordWriter, namespaceId: number): RecordWriter {
  return writer.begin(KIND.namespace).u32(namespaceId);
}

export function sessionKey(writer: RecordWriter, clientId: number): RecordWriter {
  return writer.begin(KIND.session).u64(clientId);
}

export function answersKey(writer: RecordWriter, rowNumber: number): RecordWriter {
  return writer.begin(KIND.answer).u64(rowNumber);
}

export function rowNumberOfAnswersKey(storedKey: Uint8Array): number {
  return new RecordReader(storedKey, 1).u64();
}

export function membershipKey(writer: RecordWriter): RecordWriter {
  return writer.begin(KIND.membership);
}

export function endedKey(writer: RecordWriter, namespaceId: number, generation: number): RecordWriter {
  return writer.begin(KIND.ended).u32(namespaceId).u32(generation);
}

export function leaseKey(writer: RecordWriter, leaseId: number): RecordWriter {
  return writer.begin(KIND.lease).u64(leaseId);
}

/** The generation comes before the lease, so that the attachments of an ended generation are one range. */
export function leaseKeyKey(writer: RecordWriter, attached: LeaseKey): RecordWriter {
  const { namespaceId, generation, leaseId, key } = attached;
  return writer.begin(KIND.leaseKey).u32(namespaceId).u32(generation).u64(leaseId).bytes(key);
}

/** The bytes of the key come last and need no escape to keep their order. */
export function newestKey(
  writer: RecordWriter,
  namespaceId: number,
  generation: number,
  key: Uint8Array,
): RecordWriter {
  return writer.begin(KIND.newest).u32(namespaceId).u32(generation).bytes(key);
}

/** What precedes the key's own bytes in a key of kind `newest`. */
export const NEWEST_PREFIX_BYTES = 9;

export function versionKey(
  writer: RecordWriter,
  namespaceId: number,
  generation: number,
  key: Uint8Array,
  revision: number,
): RecordWriter {
  return writer.begin(KIND.version).u32(namespaceId).u32(generation).escaped(key).u64Descending(revision);
}

/** What follows the escaped key in a key of kind `version`. */
export const VERSION_SUFFIX_BYTES = 8;

/**
 * A row is named by its last change: so the first key from a place on is that of the row that has it. By namespace first:
 * the history of one is read, and given up, without going through that of the others.
 */
export function revisionsKey(
  writer: RecordWriter,
  namespaceId: number,
  revision: number,
  ordinal: number,
): RecordWriter {
  return writer.begin(KIND.revision).u32(namespaceId).u64(revision).u32(ordinal);
}

/** Of any key. */
export function kindOfKey(key: Uint8Array): KeyKind | null {
  return kindOfByte.get(key[0] ?? 0) ?? null;
}

const kindOfByte: ReadonlyMap<number, KeyKind> = new Map(
  (Object.keys(KIND) as KeyKind[]).map((kind) => [KIND[kind], kind]),
);

export function rangeOfKind(kind: KeyKind): KeyRange {
  return { gte: Uint8Array.of(KIND[kind]), lt: Uint8Array.of(KIND[kind] + 1) };
}

/** All keys of one kind of a generation of a namespace. */
export function rangeOfGeneration(
  writer: RecordWriter,
  kind: "newest" | "version" | "leaseKey",
  namespaceId: number,
  generation: number,
): KeyRange {
  const gte = writer.begin(KIND[kind]).u32(namespaceId).u32(generation).takeKey();
  return { gte, lt: after(gte) };
}

/** The keys in [start, end) of a generation, as `newest` has them. */
export function rangeOfNewest(
  writer: RecordWriter,
  range: {
    readonly namespaceId: number;
    readonly generation: number;
    readonly start: Uint8Array;
    readonly end: Uint8Array | null;
  },
): KeyRange {
  const { namespaceId, generation, start, end } = range;
  const gte = newestKey(writer, namespaceId, generation, start).takeKey();
  const lt =
    end === null
      ? rangeOfGeneration(writer, "newest", namespaceId, generation).lt
      : newestKey(writer, namespaceId, generation, end).takeKey();
  return { gte, lt };
}

/** The versions of a key that are not newer than `revision`, the newest first. */
export function rangeOfVersions(
  writer: RecordWriter,
  namespaceId: number,
  generation: number,
  key: Uint8Array,
  revision: number,
): KeyRange {
  const gte = versionKey(writer, namespaceId, generation, key, revision).takeKey();
  const lt = new Uint8Array(gte);
  // The escaped key ends with 00 01, and nothing that follows on it begins with 00 02.
  lt[lt.length - VERSION_SUFFIX_BYTES - 1] = 2;
  return { gte, lt: lt.subarray(0, lt.length - VERSION_SUFFIX_BYTES) };
}

/** All that tells the history of a namespace. */
export function rangeOfHistory(writer: RecordWriter, namespaceId: number): KeyRange {
  const gte = writer.begin(KIND.revision).u32(namespaceId).takeKey();
  return { gte, lt: after(gte) };
}

/** The rows of what changed in a namespace from (revision, ordinal) on; the first may begin before that. */
export function rangeOfHistoryFrom(
  writer: RecordWriter,
  namespaceId: number,
  from: { readonly revision: number; readonly ordinal: number },
): KeyRange {
  const gte = revisionsKey(writer, namespaceId, from.revision, from.ordinal).takeKey();
  return { gte, lt: rangeOfHistory(writer, namespaceId).lt };
}

/** The rows whose last change is of a revision in [from, to]. */
export function rangeOfHistoryEndingIn(
  writer: RecordWriter,
  namespaceId: number,
  from: number,
  to: number,
): KeyRange {
  const gte = revisionsKey(writer, namespaceId, from, 0).takeKey();
  return { gte, lt: revisionsKey(writer, namespaceId, to + 1, 0).takeKey() };
}

/** The first key that sorts after this one. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** The first bytes that sort after all that begin with these. */
function after(prefix: Uint8Array): Uint8Array {
  const next = new Uint8Array(prefix);
  for (let at = next.length - 1; at >= 0; at -= 1) {
    const byte = (next[at] as number) + 1;
    next[at] = byte & 0xff;
    if (byte <= 0xff) break;
  }
  return next;
}
