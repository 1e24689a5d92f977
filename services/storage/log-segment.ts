import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { readRecord, type StoredRecord } from "./log-record";

/*
 * A segment of the log: a file that is named by its number, numbers without a gap. It begins with a header:
 *
 *   0  "QLOG"
 *   4  number u32
 *   8  salt u32       drawn when it was made
 *  12  checksum u32   of all before
 *
 * Behind it lie records, one after another, and behind those zeros up to the size that it was made with. A segment is made
 * before the one before it is full; that one's last record says that it is the last. So a segment that is missing is missed.
 */

export const HEADER_BYTES = 16;
const MAGIC = 0x514c4f47;
const SALT_BYTES = 4;

export interface SegmentHeader {
  readonly number: number;
  readonly salt: number;
}

export function segmentName(number: number): string {
  return `${String(number).padStart(10, "0")}.log`;
}

/** null where the file is no segment. */
export function segmentNumber(name: string): number | null {
  return /^[0-9]{10}\.log$/.test(name) ? Number(name.slice(0, 10)) : null;
}

/** Draws the salt. */
export function newHeader(number: number): { readonly header: SegmentHeader; readonly bytes: Uint8Array } {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  const salt = randomBytes(4).readUInt32BE();
  view.setUint32(0, MAGIC);
  view.setUint32(4, number);
  view.setUint32(8, salt);
  view.setUint32(12, crc32(bytes.subarray(0, 12)));
  return { header: { number, salt }, bytes };
}

/** null where it is damaged, or another segment's. */
export function readHeader(bytes: Uint8Array, number: number): SegmentHeader | null {
  if (bytes.length < HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const isIntact =
    view.getUint32(0) === MAGIC &&
    view.getUint32(4) === number &&
    view.getUint32(12) === crc32(bytes.subarray(0, 12));
  return isIntact ? { number, salt: view.getUint32(8) } : null;
}

/** The intact records from the start of a segment on, and where each lies. */
export function* recordsIn(
  bytes: Uint8Array,
  { salt }: SegmentHeader,
): Generator<{ readonly record: StoredRecord; readonly offset: number }> {
  for (let offset = HEADER_BYTES; ; ) {
    const record = readRecord(bytes, offset, salt);
    if (record === null) return;
    yield { record, offset };
    offset += record.bytes;
  }
}

/**
 * An intact record behind a place where none is, or null. Each record is one write, and the one before it was durable
 * when it began: so no crash leaves that. A damaged length hides where the next record begins, so it is looked for at
 * every byte.
 */
export function findRecordBehind(bytes: Uint8Array, place: number, { salt }: SegmentHeader): number | null {
  const searched = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const start = Buffer.alloc(SALT_BYTES);
  start.writeUInt32BE(salt);
  for (let offset = place; ; ) {
    offset = searched.indexOf(start, offset + 1);
    if (offset < 0) return null;
    if (readRecord(bytes, offset, salt) !== null) return offset;
  }
}

/** Whether anything but zeros lies from a place on. */
export function isWritten(bytes: Uint8Array, from: number): boolean {
  for (let offset = from; offset < bytes.length; offset += 1) if (bytes[offset] !== 0) return true;
  return false;
}
