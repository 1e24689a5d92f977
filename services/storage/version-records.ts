import type { StoredRecord } from "#kv";
import { EMPTY_BYTES } from "#std";
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
  if (change.kind === "delete") return writer.u8(DELETED).varint(change.revision);
  return writeMeta(writer.u8(PUT).varint(change.revision), change.record).bytes(change.record.value);
}

/** Whether the value of a `newest` record, with its checksum or without, is that of a key that is there. */
export function isPutOfNewest(value: Uint8Array): boolean {
  return value[0] === PUT;
}

/** The value of the record is a view. */
export function readNewest(key: Uint8Array, stored: Uint8Array): NewestVersion {
  const reader = new RecordReader(stored);
  const put = reader.u8() === PUT;
  const modRevision = reader.varint();
  return { modRevision, record: put ? readPut(key, modRevision, reader) : null };
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
