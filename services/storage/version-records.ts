import { type StoredRecord, withBytes } from "#kv";
import { assert, EMPTY_BYTES } from "#std";
import type { CachedRow } from "./record-cache";
import { RecordReader } from "./record-reader";
import type { RecordWriter } from "./record-writer";
import { keyOfChange } from "./revision-records";
import { newestKey, valueKey } from "./state-layout";
import { type ChainLink, linkAfter, NO_LINK, readLink, skipLink, writeLink } from "./version-chain";

/*
 * The value of a `newest` row, which is also what a change keeps of the version that it took the place of: marks, the
 * revision, its link, and of a key that is there what is known of it and the value, or its length where that lies apart.
 * Empty bytes stand for a key that never was.
 */

/** A version of a key; `record` is null where it was deleted, or never was. */
export interface Version {
  /** 0 where it never was. */
  readonly modRevision: number;
  /** Without its value where that lies apart. */
  readonly record: StoredRecord | null;
  readonly isApart: boolean;
}

/** What makes a version of a key: of a Change, all that is stored with the key. */
export type VersionChange = KeySpaceRevision &
  (
    | { readonly kind: "put"; readonly record: StoredRecord }
    | { readonly kind: "delete"; readonly key: Uint8Array }
  );

interface KeySpaceRevision {
  readonly namespaceId: number;
  readonly generation: number;
  readonly revision: number;
}

/**
 * A longer value has a row of its own. It need not be copied when it is replaced: so ten thousand keys are deleted at
 * once whatever their values are, and what a change keeps stays small.
 */
export const INLINE_VALUE_BYTES_MAX = 4096;

const PUT = 0x01;
const APART = 0x02;
/** Put right: what was told of the key, and its link, come in place of the link. */
const REPAIRED = 0x04;

const NEVER: Version = { modRevision: 0, record: null, isApart: false };

/** The value of the `newest` row that a change makes. @param before the one that it takes the place of */
export function writeNewestRow(
  writer: RecordWriter,
  change: VersionChange & { readonly ordinal: number },
  before: Uint8Array,
): RecordWriter {
  writer.beginRow().u8(marksOf(change)).varint(change.revision);
  writeLink(writer, linkAfter(linkOf(before), change));
  return writeRecord(writer, change);
}

/**
 * The same of one that is put right.
 *
 * @param before the row that it takes the place of: what was told of the key stays known
 * @param link of the change that made this version, where the history names it; else null
 */
export function writeRepairedRow(
  writer: RecordWriter,
  change: VersionChange,
  { before, link }: { readonly before: Uint8Array; readonly link: ChainLink | null },
): RecordWriter {
  const told = isRepaired(before) ? toldOf(before) : before;
  writer.beginRow();
  // What was told at last is at the end of the chain, or else nothing leads to it.
  if (link !== null && linkOf(told).revision <= link.revision) {
    writer.u8(marksOf(change)).varint(change.revision);
    writeLink(writer, link);
    return writeRecord(writer, change);
  }
  // However long its value is, it is in the row: one that lies apart goes with the change that was told to replace it.
  writer.u8((change.kind === "put" ? PUT : 0) | REPAIRED).varint(change.revision);
  writer.varint(told.length).bytes(told);
  return change.kind === "put" ? writeFields(writer, change.record).bytes(change.record.value) : writer;
}

/** Puts a value of `newest` under its key. */
export function writeNewest(writer: RecordWriter, change: VersionChange, row: Uint8Array): RecordWriter {
  return newestKey(writer, change.namespaceId, change.generation, keyOfChange(change)).endKey().bytes(row);
}

/** Of a put whose value lies apart. */
export function writeValue(writer: RecordWriter, change: VersionChange): RecordWriter {
  assert(isApartOf(change), "a value lies apart where its row says so");
  const { namespaceId, generation, revision, record } = change;
  return valueKey(writer, { namespaceId, generation, key: record.key, revision })
    .endKey()
    .bytes(record.value);
}

export function isApartOf(
  change: VersionChange,
): change is VersionChange & { readonly kind: "put"; readonly record: StoredRecord } {
  return change.kind === "put" && change.record.value.length > INLINE_VALUE_BYTES_MAX;
}

/** Whether the value of a `newest` record, with its checksum or without, is that of a key that is there. */
export function isPut(row: Uint8Array): boolean {
  return ((row[0] ?? 0) & PUT) !== 0;
}

/** A value that lies apart. */
export interface ApartValue {
  readonly revision: number;
  readonly bytes: number;
}

/** Those of the versions that a row is of: what was told of one that was put right, too. */
export function valuesApart(row: Uint8Array): readonly ApartValue[] {
  if (!mayHaveApart(row)) return [];
  const told = isRepaired(row) ? valuesApart(toldOf(row)) : [];
  const { isApart, modRevision: revision, record } = readVersion(EMPTY_BYTES, row);
  return isApart && record !== null ? [{ revision, bytes: record.valueBytes }, ...told] : told;
}

export function mayHaveApart(row: Uint8Array): boolean {
  return ((row[0] ?? 0) & (APART | REPAIRED)) !== 0;
}

/** The value of the record is a view. */
export function readVersion(key: Uint8Array, row: Uint8Array): Version {
  return row.length === 0 ? NEVER : readFrom(new RecordReader(row), key);
}

/** The row of a cache that has all of it, as a view; undefined where it has not. */
export function wholeRow({ memory, start, heldBytes, rowBytes }: CachedRow): Uint8Array | undefined {
  if (heldBytes < rowBytes) return undefined;
  return rowBytes === 0 ? EMPTY_BYTES : new Uint8Array(memory.buffer, memory.byteOffset + start, rowBytes);
}

function readFrom(reader: RecordReader, key: Uint8Array): Version {
  const marks = reader.u8();
  const modRevision = reader.varint();
  if ((marks & PUT) === 0) return { modRevision, record: null, isApart: false };
  if ((marks & REPAIRED) === 0) skipLink(reader);
  else reader.bytes(reader.varint());
  const createRevision = reader.varint();
  const version = reader.varint();
  const leaseId = reader.varint();
  const isApart = (marks & APART) !== 0;
  const valueBytes = isApart ? reader.varint() : 0;
  const value = isApart ? EMPTY_BYTES : reader.rest();
  const record = {
    key,
    value,
    valueBytes: valueBytes + value.length,
    createRevision,
    modRevision,
    version,
    leaseId,
  };
  return { modRevision, record, isApart };
}

/** 0 of a key that never was. */
export function modRevisionOf(row: Uint8Array): number {
  return row.length === 0 ? 0 : new RecordReader(row, 1).varint();
}

/** Of what was told of the key. */
export function linkOf(row: Uint8Array): ChainLink {
  if (row.length === 0) return NO_LINK;
  if (isRepaired(row)) return linkOf(toldOf(row));
  const reader = new RecordReader(row, 1);
  return readLink(reader, reader.varint());
}

export function isRepaired(row: Uint8Array): boolean {
  return ((row[0] ?? 0) & REPAIRED) !== 0;
}

/** What a key that was put right was before, as it was told. */
export function toldOf(row: Uint8Array): Uint8Array {
  assert(isRepaired(row), "what was told is apart only of a key that was put right");
  const reader = new RecordReader(row, 1);
  reader.varint();
  return reader.bytes(reader.varint());
}

export function withoutValue(record: StoredRecord): StoredRecord {
  return record.value.length === 0 ? record : withBytes(record, record.key, EMPTY_BYTES);
}

function marksOf(change: VersionChange): number {
  if (change.kind === "delete") return 0;
  return isApartOf(change) ? PUT | APART : PUT;
}

function writeRecord(writer: RecordWriter, change: VersionChange): RecordWriter {
  if (change.kind === "delete") return writer;
  const { value } = change.record;
  writeFields(writer, change.record);
  return isApartOf(change) ? writer.varint(value.length) : writer.bytes(value);
}

function writeFields(writer: RecordWriter, record: StoredRecord): RecordWriter {
  return writer.varint(record.createRevision).varint(record.version).varint(record.leaseId);
}
