import type { StoredRecord } from "#kv";
import { EMPTY_BYTES } from "#std";
import type { CachedRow } from "./record-cache";
import { RecordReader } from "./record-reader";
import type { RecordWriter } from "./record-writer";
import { keyOfChange } from "./revision-records";
import { newestKey, VERSION_SUFFIX_BYTES, versionKey } from "./state-layout";

/** The newest version of a key; `record` is null when that is a deletion. */
export interface NewestVersion {
  readonly modRevision: number;
  readonly record: StoredRecord | null;
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

const PUT = 1;
const DELETED = 0;

/** Of a put or a delete: the `newest` record of its key, which has the value too, so that what is newest takes one lookup. */
export function writeNewest(writer: RecordWriter, change: VersionChange): RecordWriter {
  const key = keyOfChange(change);
  newestKey(writer, change.namespaceId, change.generation, key).endKey();
  return writeNewestValue(writer, change);
}

/** The value of a `newest` record, by itself. */
export function writeNewestRow(writer: RecordWriter, change: VersionChange): RecordWriter {
  return writeNewestValue(writer.beginRow(), change);
}

function writeNewestValue(writer: RecordWriter, change: VersionChange): RecordWriter {
  if (change.kind === "delete") return writer.u8(DELETED).varint(change.revision);
  return writeMeta(writer.u8(PUT).varint(change.revision), change.record).bytes(change.record.value);
}

/** Whether the value of a `newest` record, with its checksum or without, is that of a key that is there. */
export function isPutOfNewest(value: Uint8Array): boolean {
  return value[0] === PUT;
}

/** @param stored empty for a key that never was; the value of the record is a view of it */
export function readNewest(key: Uint8Array, stored: Uint8Array): NewestVersion {
  if (stored.length === 0) return NEVER;
  const reader = new RecordReader(stored);
  const put = reader.u8() === PUT;
  const modRevision = reader.varint();
  return { modRevision, record: put ? readPut(key, modRevision, reader) : null };
}

/**
 * Reads a `newest` record of which perhaps no more than the header is at hand, from memory that changes: the value is a
 * copy, or empty where it is not wanted.
 *
 * @returns undefined where the value is wanted and not at hand
 */
export function readCachedNewest(
  key: Uint8Array,
  { memory, start, heldBytes, rowBytes }: CachedRow,
  withValue: boolean,
): NewestVersion | undefined {
  if (rowBytes === 0) return NEVER;
  const reader = new RecordReader(memory, start);
  const put = reader.u8() === PUT;
  const modRevision = reader.varint();
  if (!put) return { modRevision, record: null };
  if (withValue && heldBytes < rowBytes) return undefined;
  const createRevision = reader.varint();
  const version = reader.varint();
  const leaseId = reader.varint();
  const valueBytes = start + rowBytes - reader.position;
  const value = withValue && valueBytes > 0 ? copyOf(memory, reader.position, valueBytes) : EMPTY_BYTES;
  return { modRevision, record: { key, value, valueBytes, createRevision, modRevision, version, leaseId } };
}

/** A key that never was is as one that was deleted before the first revision. */
export const NEVER: NewestVersion = { modRevision: 0, record: null };

/** Of a pool, where it is small: an array with memory of its own takes 350 bytes besides. */
function copyOf(memory: Uint8Array, start: number, length: number): Uint8Array {
  const copy = Buffer.allocUnsafe(length);
  copy.set(new Uint8Array(memory.buffer, memory.byteOffset + start, length));
  return copy;
}

/** Of a put or a delete: the `version` record. */
export function writeVersion(writer: RecordWriter, change: VersionChange): RecordWriter {
  const key = keyOfChange(change);
  versionKey(writer, change.namespaceId, change.generation, key, change.revision).endKey();
  if (change.kind === "delete") return writer.u8(DELETED);
  return writeMeta(writer.u8(PUT), change.record).bytes(change.record.value);
}

/** The record of a version, or null for a deletion. */
export function readVersion(key: Uint8Array, modRevision: number, value: Uint8Array): StoredRecord | null {
  const reader = new RecordReader(value);
  return reader.u8() === PUT ? readPut(key, modRevision, reader) : null;
}

export function withoutValue(record: StoredRecord): StoredRecord {
  return record.value.length === 0 ? record : { ...record, value: EMPTY_BYTES };
}

export function revisionOfVersionKey(storedKey: Uint8Array): number {
  return new RecordReader(storedKey, storedKey.length - VERSION_SUFFIX_BYTES).u64Descending();
}

function readPut(key: Uint8Array, modRevision: number, reader: RecordReader): StoredRecord {
  const createRevision = reader.varint();
  const version = reader.varint();
  const leaseId = reader.varint();
  const value = reader.rest();
  return { key, value, valueBytes: value.length, createRevision, modRevision, version, leaseId };
}

function writeMeta(writer: RecordWriter, record: StoredRecord): RecordWriter {
  return writer.varint(record.createRevision).varint(record.version).varint(record.leaseId);
}
