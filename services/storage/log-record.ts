import { crc32 } from "node:zlib";
import type { Entry, EntryId, EntryKind, HardState } from "#raft";
import { asInteger, assert } from "#std";

/*
 * A record of the log: what one append wrote, whole or not at all. All numbers are big-endian.
 *
 *   0  salt u32         of the segment: nothing else that lies in it begins so but by chance
 *   4  checksum u32     CRC-32 of all that follows, begun with the salt
 *   8  length u32       of the whole record
 *  12  before u32       the checksum of the record before; that of the log's first is 0
 *  16  flags u8         1: the last of its segment
 *  17  term, commit, begin term, begin index, after term, after index: u64 each
 *  65  entries u32      how many
 *  69  vote             length u8 (0 for none), bytes
 *      entry            kind u8, term u64, length u32, bytes; of each, from the index behind `after` on
 *
 * A record says all of what the log is when it is written but the entries up to `after`: so a segment can be the first,
 * and a record can be told from others wherever it lies.
 */

const AT = {
  salt: 0,
  crc: 4,
  length: 8,
  crcBefore: 12,
  flags: 16,
  term: 17,
  commit: 25,
  begin: 33,
  after: 49,
  count: 65,
  vote: 69,
} as const;
const HEAD_BYTES_MIN = AT.vote + 1;
const ENTRY_HEAD_BYTES = 13;
const FLAG_SEALS = 1;
const UINT32_SPAN = 2 ** 32;
/** Memory that one large append needed is not kept for the next. */
const KEPT_BYTES_MAX = 1024 * 1024;

/** What an append makes of the log. */
export interface LogRecord {
  /** The log begins after this entry. */
  readonly begin: EntryId;
  /** What was held behind this entry is replaced by `entries`; it is held itself, or `begin`. */
  readonly after: EntryId;
  readonly entries: readonly Entry[];
  readonly hardState: HardState;
}

/** A record that is intact by itself. */
export interface StoredRecord extends LogRecord {
  readonly crc: number;
  readonly crcBefore: number;
  /** Of the whole record. */
  readonly bytes: number;
  /** Nothing follows in its segment, and the next segment is there. */
  readonly seals: boolean;
}

const codeOfKind = { normal: 0, conf_change: 1, conf_change_v2: 2 } as const satisfies Record<
  EntryKind,
  number
>;
const ENTRY_KINDS: readonly EntryKind[] = ["normal", "conf_change", "conf_change_v2"];

/** Builds one record after another in the same memory. */
export class LogRecordWriter {
  private memory = new Uint8Array(64 * 1024);
  private view = new DataView(this.memory.buffer);
  private length = 0;

  /** Starts a record. @returns how many bytes it will have */
  begin({ begin, after, entries, hardState }: LogRecord): number {
    const vote = Buffer.from(hardState.vote ?? "", "utf8");
    assert(
      vote.length <= 0xff && (hardState.vote === null || vote.length > 0),
      "a member id has 1 to 255 bytes",
    );
    let length = HEAD_BYTES_MIN + vote.length;
    for (const { data } of entries) length += ENTRY_HEAD_BYTES + data.length;
    assert(length < UINT32_SPAN, "a record is shorter than 4 GiB");
    this.reserve(length);
    const { memory, view } = this;
    view.setUint32(AT.length, length);
    this.u64(AT.term, hardState.term);
    this.u64(AT.commit, hardState.commit);
    this.u64(AT.begin, begin.term);
    this.u64(AT.begin + 8, begin.index);
    this.u64(AT.after, after.term);
    this.u64(AT.after + 8, after.index);
    view.setUint32(AT.count, entries.length);
    memory[AT.vote] = vote.length;
    memory.set(vote, HEAD_BYTES_MIN);
    let at = HEAD_BYTES_MIN + vote.length;
    for (const { kind, term, data } of entries) {
      memory[at] = codeOfKind[kind];
      this.u64(at + 1, term);
      view.setUint32(at + 9, data.length);
      memory.set(data, at + ENTRY_HEAD_BYTES);
      at += ENTRY_HEAD_BYTES + data.length;
    }
    this.length = length;
    return length;
  }

  /** Completes the record for the segment that it will lie in. The bytes are a view that lasts until the next begins. */
  finish(place: { readonly salt: number; readonly crcBefore: number; readonly seals: boolean }): {
    readonly bytes: Uint8Array;
    readonly crc: number;
  } {
    const { memory, view, length } = this;
    view.setUint32(AT.salt, place.salt);
    view.setUint32(AT.crcBefore, place.crcBefore);
    memory[AT.flags] = place.seals ? FLAG_SEALS : 0;
    const crc = crc32(new Uint8Array(memory.buffer, AT.length, length - AT.length), place.salt);
    view.setUint32(AT.crc, crc);
    return { bytes: new Uint8Array(memory.buffer, 0, length), crc };
  }

  private u64(at: number, value: number): void {
    this.view.setUint32(at, Math.floor(value / UINT32_SPAN));
    this.view.setUint32(at + 4, value % UINT32_SPAN);
  }

  private reserve(length: number): void {
    const has = this.memory.length;
    const isTooLarge = has > KEPT_BYTES_MAX && length <= KEPT_BYTES_MAX;
    if (length <= has && !isTooLarge) return;
    this.memory = new Uint8Array(Math.max(length, Math.min(has * 2, KEPT_BYTES_MAX)));
    this.view = new DataView(this.memory.buffer);
  }
}

/** How many bytes a record has by what its first ones say; null where those are no beginning of a record. */
export function recordBytes(bytes: Uint8Array, offset: number, salt: number): number | null {
  if (offset + HEAD_BYTES_MIN > bytes.length || u32(bytes, offset + AT.salt) !== salt) return null;
  const length = u32(bytes, offset + AT.length);
  return length < HEAD_BYTES_MIN ? null : length;
}

/** null where no intact record lies there. Its data are views. */
export function readRecord(bytes: Uint8Array, offset: number, salt: number): StoredRecord | null {
  const length = recordBytes(bytes, offset, salt);
  if (length === null || offset + length > bytes.length) return null;
  const crc = u32(bytes, offset + AT.crc);
  if (crc32(bytes.subarray(offset + AT.length, offset + length), salt) !== crc) return null;
  const hasVote = bytes[offset + AT.vote] !== 0;
  const entriesAt = offset + HEAD_BYTES_MIN + (bytes[offset + AT.vote] as number);
  const vote = Buffer.from(bytes.subarray(offset + HEAD_BYTES_MIN, entriesAt)).toString("utf8");
  const after = entryId(bytes, offset + AT.after);
  return {
    begin: entryId(bytes, offset + AT.begin),
    after,
    entries: readEntries(bytes, {
      from: entriesAt,
      to: offset + length,
      count: u32(bytes, offset + AT.count),
      firstIndex: after.index + 1,
    }),
    hardState: {
      term: u64(bytes, offset + AT.term),
      vote: hasVote ? vote : null,
      commit: u64(bytes, offset + AT.commit),
    },
    crc,
    crcBefore: u32(bytes, offset + AT.crcBefore),
    bytes: length,
    seals: ((bytes[offset + AT.flags] as number) & FLAG_SEALS) !== 0,
  };
}

function readEntries(
  bytes: Uint8Array,
  range: { readonly from: number; readonly to: number; readonly count: number; readonly firstIndex: number },
): readonly Entry[] {
  const entries: Entry[] = [];
  let at = range.from;
  for (let index = range.firstIndex; index < range.firstIndex + range.count; index += 1) {
    const kind = ENTRY_KINDS[bytes[at] as number];
    assert(kind !== undefined, "an entry whose checksum matches is of a known kind");
    const dataAt = at + ENTRY_HEAD_BYTES;
    const end = dataAt + u32(bytes, at + 9);
    entries.push({ term: u64(bytes, at + 1), index, kind, data: bytes.subarray(dataAt, end) });
    at = end;
  }
  assert(at === range.to, "a record ends with its last entry");
  return entries;
}

function entryId(bytes: Uint8Array, at: number): EntryId {
  return { term: u64(bytes, at), index: u64(bytes, at + 8) };
}

function u64(bytes: Uint8Array, at: number): number {
  return asInteger(u32(bytes, at) * UINT32_SPAN + u32(bytes, at + 4));
}

function u32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return ((high << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0;
}
