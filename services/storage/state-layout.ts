import type { LeaseKey } from "#kv";
import { RecordReader } from "./record-reader";
import type { RecordWriter } from "./record-writer";

/*
 * Keys of the state database: a kind (u8), then fields in big-endian order. `newest` has one record a key of a
 * namespace with its value, deleted ones included, and is what reads and scans go by; `value` has what is too long for that;
 * `revision` has what a batch changed in a namespace and what that took the place of, many changes a row, for watch,
 * history and what is read at older revisions; `answer` has the answers that a batch kept for sessions, many a row. A value
 * ends with a checksum over its key too.
 */

const KIND = {
  /**
   * First: LevelDB merges a young table with all that lie between its least key and its greatest, and what was written of
   * history before lies before the first, where it is left alone.
   */
  revision: 0x01,
  namespace: 0x03,
  session: 0x04,
  answer: 0x05,
  membership: 0x06,
  /** A generation that ended and whose keys are still to be removed. */
  ended: 0x07,
  lease: 0x08,
  leaseKey: 0x09,
  newest: 0x10,
  value: 0x11,
  head: 0x20,
  /** One a batch since the last checkpoint, so that a hole in LevelDB's log is seen. */
  batch: 0x21,
} as const;

export type KeyKind = keyof typeof KIND;

export interface KeyRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

/** Sorts after every key: compacting this range touches no table, and still makes one of what is in memory. */
export const RANGE_WITHOUT_KEYS = [Uint8Array.of(0xfe), Uint8Array.of(0xff)] as const;

/** All that an image holds behind the head: batch numbers are of this directory alone. */
export const RANGE_OF_IMAGE: KeyRange = {
  gte: Uint8Array.of(KIND.revision),
  lt: Uint8Array.of(KIND.value + 1),
};

/** The kinds that grow with the keys of users, and that which grows with their history. */
export const RANGE_OF_RECORDS: KeyRange = {
  gte: Uint8Array.of(KIND.leaseKey),
  lt: Uint8Array.of(KIND.value + 1),
};
export const RANGE_OF_REVISIONS: KeyRange = {
  gte: Uint8Array.of(KIND.revision),
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

/** What a key of kind `newest` was made of; the key is a view. */
export function placeOfNewestKey(storedKey: Uint8Array): {
  readonly namespaceId: number;
  readonly generation: number;
  readonly key: Uint8Array;
} {
  const reader = new RecordReader(storedKey, 1);
  return { namespaceId: reader.u32(), generation: reader.u32(), key: reader.rest() };
}

/** Of a version that is there or that a change took the place of. The revision has eight bytes, so it needs no escape. */
export function valueKey(
  writer: RecordWriter,
  version: {
    readonly namespaceId: number;
    readonly generation: number;
    readonly key: Uint8Array;
    readonly revision: number;
  },
): RecordWriter {
  const { namespaceId, generation, key, revision } = version;
  return writer.begin(KIND.value).u32(namespaceId).u32(generation).bytes(key).u64(revision);
}

/**
 * What of a row of changes is looked for when it is given up: what the key says need not be read.
 */
export interface RevisionsMarks {
  /** Of these the newest rows go too. */
  readonly hasDeletions: boolean;
  /** It keeps versions whose values lie apart: these go too. */
  readonly hasApart: boolean;
}

const HAS_DELETIONS = 0x01;
const HAS_APART = 0x02;

/**
 * A row is named by its last change: so the first key from a place on is that of the row that has it. By namespace first:
 * the history of one is read, and given up, without going through that of the others. Its marks come last.
 */
export function revisionsKey(
  writer: RecordWriter,
  namespaceId: number,
  last: { readonly revision: number; readonly ordinal: number },
  { hasDeletions, hasApart }: RevisionsMarks,
): RecordWriter {
  const marks = (hasDeletions ? HAS_DELETIONS : 0) | (hasApart ? HAS_APART : 0);
  return placeKey(writer, namespaceId, last).u8(marks);
}

export function marksOfRevisionsKey(storedKey: Uint8Array): RevisionsMarks {
  const marks = storedKey[storedKey.length - 1] as number;
  return { hasDeletions: (marks & HAS_DELETIONS) !== 0, hasApart: (marks & HAS_APART) !== 0 };
}

/** The namespace that a row of changes is of, and the revision of its last. */
export function lastOfRevisionsKey(storedKey: Uint8Array): {
  readonly namespaceId: number;
  readonly revision: number;
} {
  const reader = new RecordReader(storedKey, 1);
  return { namespaceId: reader.u32(), revision: reader.u64() };
}

/** Before all rows whose last change is at that place or later. */
export function placeKey(
  writer: RecordWriter,
  namespaceId: number,
  { revision, ordinal }: { readonly revision: number; readonly ordinal: number },
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
  kind: "newest" | "value" | "leaseKey",
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
  const gte = placeKey(writer, namespaceId, from).takeKey();
  return { gte, lt: rangeOfHistory(writer, namespaceId).lt };
}

/** The rows whose last change is of a revision in [from, to]. */
export function rangeOfHistoryEndingIn(
  writer: RecordWriter,
  namespaceId: number,
  from: number,
  to: number,
): KeyRange {
  const gte = placeKey(writer, namespaceId, { revision: from, ordinal: 0 }).takeKey();
  return { gte, lt: placeKey(writer, namespaceId, { revision: to + 1, ordinal: 0 }).takeKey() };
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
