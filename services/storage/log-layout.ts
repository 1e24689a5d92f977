import type { Entry, EntryId, EntryKind, HardState } from "#raft";
import { assert } from "#std";
import { RecordReader } from "./record-reader";
import { checkedValue, type RecordWriter, storedCrc } from "./record-writer";

/*
 * Keys of the log database: group id (u32), kind (u8) and, for entries, the index (u64), all big-endian, so that the
 * entries of a group lie together in the order of their indexes.
 */

const KIND = { begin: 1, end: 2, entry: 3 } as const;

/** Where the log begins: after this entry, whose record carried this checksum. */
export interface LogBegin {
  readonly after: EntryId;
  readonly crc: number;
}

/** Written with every append, so it vouches for all that precedes it. */
export interface LogEnd {
  readonly hardState: HardState;
  readonly lastIndex: number;
  /** The checksum of the record of the last entry, or of LogBegin when there is none. */
  readonly crc: number;
}

/** An entry with the checksum of its record and of the record before it. */
export interface StoredEntry {
  readonly entry: Entry;
  readonly crc: number;
  readonly crcBefore: number;
}

const codeOfKind = { normal: 0, conf_change: 1, conf_change_v2: 2 } as const satisfies Record<
  EntryKind,
  number
>;
const ENTRY_KINDS: readonly EntryKind[] = ["normal", "conf_change", "conf_change_v2"];

function writeKey(writer: RecordWriter, groupId: number, kind: keyof typeof KIND): RecordWriter {
  // The group comes first; begin() takes one byte, so its highest byte goes there.
  writer.begin(groupId >>> 24);
  return writer
    .u8((groupId >>> 16) & 0xff)
    .u8((groupId >>> 8) & 0xff)
    .u8(groupId & 0xff)
    .u8(KIND[kind]);
}

export function writeBegin(writer: RecordWriter, groupId: number, begin: LogBegin): RecordWriter {
  return writeKey(writer, groupId, "begin")
    .endKey()
    .varint(begin.after.term)
    .varint(begin.after.index)
    .u32(begin.crc);
}

export function writeEnd(writer: RecordWriter, groupId: number, end: LogEnd): RecordWriter {
  const { term, vote, commit } = end.hardState;
  writeKey(writer, groupId, "end").endKey().varint(term).varint(commit).varint(end.lastIndex).u32(end.crc);
  return vote === null ? writer.u8(0) : writer.u8(1).text(vote);
}

export function writeEntry(
  writer: RecordWriter,
  groupId: number,
  entry: Entry,
  crcBefore: number,
): RecordWriter {
  return writeKey(writer, groupId, "entry")
    .u64(entry.index)
    .endKey()
    .u8(codeOfKind[entry.kind])
    .varint(entry.term)
    .u32(crcBefore)
    .bytes(entry.data);
}

export function writeEntryKey(writer: RecordWriter, groupId: number, index: number): RecordWriter {
  return writeKey(writer, groupId, "entry").u64(index);
}

export function beginKey(writer: RecordWriter, groupId: number): Uint8Array {
  return writeKey(writer, groupId, "begin").takeKey();
}

export function endKey(writer: RecordWriter, groupId: number): Uint8Array {
  return writeKey(writer, groupId, "end").takeKey();
}

/** Of a batch of LevelDB (db/write_batch.cc): its number and how many puts and deletions it has. */
const BATCH_HEADER_BYTES = 12;
const BATCH_PUT = 1;
const ENTRY_KEY_BYTES = 13;
const BEGIN_KEY_BYTES = 5;
const KEY_KIND_AT = 4;

/** Whether a batch of LevelDB begins with an entry, or where the log begins: those are synced always. */
export function isSyncedBatch(batch: Uint8Array): boolean {
  const at = BATCH_HEADER_BYTES;
  if (batch[at] !== BATCH_PUT) return false;
  const keyBytes = batch[at + 1];
  const kind = batch[at + 2 + KEY_KIND_AT];
  return keyBytes === ENTRY_KEY_BYTES
    ? kind === KIND.entry
    : keyBytes === BEGIN_KEY_BYTES && kind === KIND.begin;
}

/** All entries from an index on lie in [from, to). */
export function entryKeyRange(
  writer: RecordWriter,
  groupId: number,
  fromIndex: number,
): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  const gte = writeEntryKey(writer, groupId, fromIndex).takeKey();
  const lt = gte.slice(0, 5);
  lt[4] = KIND.entry + 1;
  return { gte, lt };
}

export function indexOfEntryKey(key: Uint8Array): number {
  return new RecordReader(key, 5).u64();
}

/** null where the checksum does not match; so for all that read*. */
export function readBegin(key: Uint8Array, stored: Uint8Array): LogBegin | null {
  const value = checkedValue(key, stored);
  if (value === null) return null;
  const reader = new RecordReader(value);
  return { after: { term: reader.varint(), index: reader.varint() }, crc: reader.u32() };
}

export function readEnd(key: Uint8Array, stored: Uint8Array): LogEnd | null {
  const value = checkedValue(key, stored);
  if (value === null) return null;
  const reader = new RecordReader(value);
  const term = reader.varint();
  const commit = reader.varint();
  const lastIndex = reader.varint();
  const crc = reader.u32();
  const vote = reader.u8() === 0 ? null : reader.text();
  return { hardState: { term, vote, commit }, lastIndex, crc };
}

export function readEntry(key: Uint8Array, stored: Uint8Array): StoredEntry | null {
  const value = checkedValue(key, stored);
  if (value === null) return null;
  const reader = new RecordReader(value);
  const kind = ENTRY_KINDS[reader.u8()];
  assert(kind !== undefined, "an entry whose checksum matches is of a known kind");
  const term = reader.varint();
  const crcBefore = reader.u32();
  const entry = { term, index: indexOfEntryKey(key), kind, data: reader.rest() };
  return { entry, crc: storedCrc(stored), crcBefore };
}
