import type { LogContents } from "./log-contents";
import type { LogDisk } from "./log-disk";
import type { LastRecord } from "./log-files";
import type { StoredRecord } from "./log-record";
import {
  findRecordBehind,
  HEADER_BYTES,
  isWritten,
  readHeader,
  recordsIn,
  type SegmentHeader,
  segmentName,
  segmentNumber,
} from "./log-segment";

/** A log that is sound. */
export interface FoundLog {
  readonly kind: "found";
  /** Of the segments that are read, in their order; the last is written to. */
  readonly headers: readonly SegmentHeader[];
  /** Where the next record goes in it. */
  readonly offset: number;
  /** Whether a crash left something there; zeros are what nobody wrote. */
  readonly isTorn: boolean;
  /** Of the whole file that it goes to. */
  readonly fileBytes: number;
  readonly last: LastRecord & { readonly bytes: Uint8Array };
  /** Segments before those that are read: nothing in them counts any more. */
  readonly leftovers: readonly number[];
  /** A segment behind the last that a crash left without a record, or half made. */
  readonly torn: readonly number[];
}

export interface DamagedLog {
  readonly kind: "damaged";
  readonly what: string;
}

/** Ends the reading of a log. */
class Damage extends Error {}

/**
 * Reads a log and verifies all of it: that each record is intact and names the checksum of the one before, that each
 * segment but the last ends with the record that says so, and that all entries behind its begin are there.
 *
 * A crash can only tear the record that was being written, the last, for each is durable before the next begins. What is
 * not intact and has an intact record behind it, in its segment or in a later one, is therefore no torn tail but damage
 * to something that was durable.
 *
 * @param contents takes what the log holds
 */
export async function findLog(disk: LogDisk, contents: LogContents): Promise<FoundLog | DamagedLog> {
  try {
    return await readLog(disk, contents);
  } catch (error) {
    if (error instanceof Damage) return { kind: "damaged", what: error.message };
    throw error;
  }
}

async function readLog(disk: LogDisk, contents: LogContents): Promise<FoundLog> {
  const numbers = await segmentNumbers(disk);
  const { current, torn } = await findCurrent(disk, numbers);
  const first = await findFirst(disk, numbers, current);
  const headers: SegmentHeader[] = [];
  let last: FoundLog["last"] | null = null;
  let end = { offset: HEADER_BYTES, isTorn: false, fileBytes: 0 };
  for (let number = first; number <= current; number += 1) {
    const read = readSegment(number, await disk.read(segmentName(number)), { last, contents });
    // What lies behind the last record of a segment is of a tail that a crash tore, and was cut, and the next brought back.
    if (number < current && !read.isSealed) {
      throw new Damage(
        `${segmentName(number)}: damaged at byte ${read.end}, and it goes on in the next segment`,
      );
    }
    if (number === current && read.isSealed) throw new Damage(`${segmentName(current + 1)} is missing`);
    headers.push(read.header);
    ({ last } = read);
    end = { offset: read.end, isTorn: read.isTorn, fileBytes: read.bytes };
  }
  if (last === null) throw new Damage("it has no intact record");
  if (contents.knownFrom > contents.begin.index + 1) {
    throw new Damage(
      `entry ${contents.begin.index + 1} is missing, yet entry ${contents.knownFrom} is there`,
    );
  }
  return {
    kind: "found",
    headers,
    ...end,
    last,
    leftovers: numbers.filter((number) => number < first),
    torn,
  };
}

async function segmentNumbers(disk: LogDisk): Promise<readonly number[]> {
  const numbers: number[] = [];
  for (const name of await disk.names()) {
    const number = segmentNumber(name);
    if (number !== null) numbers.push(number);
  }
  return numbers.sort((left, right) => left - right);
}

/**
 * The segment that is written to. The last that is there may be one that was made for when this one is full: it has no
 * records, and nothing says yet that it must be there.
 */
async function findCurrent(
  disk: LogDisk,
  numbers: readonly number[],
): Promise<{ readonly current: number; readonly torn: readonly number[] }> {
  const top = numbers.at(-1);
  if (top === undefined) throw new Damage("it has no segments");
  const bytes = await disk.read(segmentName(top));
  const header = readHeader(bytes, top);
  if (header !== null && lastRecordIn(bytes, header) !== null) return { current: top, torn: [] };
  if (numbers.at(-2) !== top - 1) {
    throw new Damage(`${segmentName(top)} has no intact record, and ${segmentName(top - 1)} is missing`);
  }
  const bytesBefore = await disk.read(segmentName(top - 1));
  const headerBefore = readHeader(bytesBefore, top - 1);
  const isNext = headerBefore !== null && lastRecordIn(bytesBefore, headerBefore)?.seals === true;
  if (isNext) return { current: top, torn: [] };
  if (isWritten(bytes, HEADER_BYTES)) {
    throw new Damage(`${segmentName(top)}: damaged at byte ${header === null ? 0 : HEADER_BYTES}`);
  }
  return { current: top - 1, torn: [top] };
}

/**
 * The segment that the reading begins with: of those without a gap before the present one the last whose first record
 * follows on an entry that is not held any more.
 */
async function findFirst(disk: LogDisk, numbers: readonly number[], current: number): Promise<number> {
  let begin: number | null = null;
  let first = current;
  for (; ; first -= 1) {
    const bytes = await disk.read(segmentName(first));
    const header = readHeader(bytes, first);
    // Damage is told when it is read with the others.
    if (header === null) return first;
    begin ??= lastRecordIn(bytes, header)?.begin.index ?? null;
    const [found] = recordsIn(bytes, header);
    if (begin !== null && found !== undefined && found.record.after.index <= begin) return first;
    if (!numbers.includes(first - 1)) return first;
  }
}

function readSegment(
  number: number,
  bytes: Uint8Array,
  before: { readonly last: FoundLog["last"] | null; readonly contents: LogContents },
): {
  readonly header: SegmentHeader;
  readonly last: FoundLog["last"] | null;
  readonly end: number;
  readonly bytes: number;
  readonly isTorn: boolean;
  readonly isSealed: boolean;
} {
  const name = segmentName(number);
  const header = readHeader(bytes, number);
  if (header === null) throw new Damage(`the header of ${name} is damaged`);
  let { last } = before;
  let end = HEADER_BYTES;
  let isSealed = false;
  for (const { record, offset } of recordsIn(bytes, header)) {
    if (isSealed) throw new Damage(`${name}: it goes on at byte ${offset}, behind its last record`);
    if (last !== null && record.crcBefore !== last.crc) {
      throw new Damage(`${name}: the append at byte ${offset} does not follow on the one before it`);
    }
    const place = { segment: number, offset };
    before.contents.apply(record, place);
    end = offset + record.bytes;
    isSealed = record.seals;
    last = { place, crc: record.crc, bytes: bytes.subarray(offset, end) };
  }
  const behind = findRecordBehind(bytes, end, header);
  if (behind !== null) throw new Damage(`${name}: damaged at byte ${end}, and it goes on at byte ${behind}`);
  return { header, last, end, bytes: bytes.length, isTorn: isWritten(bytes, end), isSealed };
}

function lastRecordIn(bytes: Uint8Array, header: SegmentHeader): StoredRecord | null {
  let last: StoredRecord | null = null;
  for (const { record } of recordsIn(bytes, header)) last = record;
  return last;
}
