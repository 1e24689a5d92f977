import { assert } from "#std";
import type { LogDisk, LogFile } from "./log-disk";
import { type LogRecord, LogRecordWriter, readRecord, recordBytes, type StoredRecord } from "./log-record";
import { HEADER_BYTES, newHeader, type SegmentHeader, segmentName } from "./log-segment";
import type { RecordPlace } from "./record-places";
import type { StoreEnding } from "./store-ending";

/** What is read at once where a record lies; most are shorter. */
const READ_BYTES = 32 * 1024;

/** A segment that is open. */
export interface OpenSegment {
  readonly header: SegmentHeader;
  readonly file: LogFile;
}

/** Where the last record lies, and its checksum. */
export interface LastRecord {
  readonly place: RecordPlace;
  readonly crc: number;
}

/** The segments of a log: records go to the last, and the one that follows it is made in time. */
export class LogFiles {
  private readonly writer = new LogRecordWriter();
  private readonly segments = new Map<number, OpenSegment>();
  private next: OpenSegment | null = null;
  private current: OpenSegment;
  private offset: number;
  private last: LastRecord;
  /** The first that is not removed yet. */
  private firstNumber: number;
  private preparing: Promise<void> | null = null;
  private removing: Promise<void> = Promise.resolve();
  private closing: Promise<void> | null = null;

  /**
   * @param found.segments in the order of their numbers, the last one is written to, from `offset` on
   * @param segmentBytesMax a segment takes no more records when it has so many bytes
   */
  constructor(
    private readonly disk: LogDisk,
    private readonly ending: StoreEnding,
    found: { readonly segments: readonly OpenSegment[]; readonly offset: number; readonly last: LastRecord },
    private readonly segmentBytesMax: number,
  ) {
    for (const segment of found.segments) this.segments.set(segment.header.number, segment);
    const current = found.segments.at(-1);
    assert(current !== undefined, "a log has a segment");
    this.current = current;
    this.offset = found.offset;
    this.last = found.last;
    this.firstNumber = (found.segments[0] as OpenSegment).header.number;
  }

  /**
   * Writes a record behind the last. One at a time. Rejects with the failure that ends the log.
   *
   * @param written told where it lies when it is durable, before that resolves
   */
  write(record: LogRecord, written: (place: RecordPlace) => void): Promise<void> {
    const { header, file } = this.current;
    const { offset, next } = this;
    const length = this.writer.begin(record);
    // A segment grows longer than it should rather than that an append waits for the next one.
    const seals = next !== null && offset + length >= this.segmentBytesMax;
    const { bytes, crc } = this.writer.finish({ salt: header.salt, crcBefore: this.last.crc, seals });
    return file.write(bytes, offset).then(
      () => {
        this.ending.check();
        const place = { segment: header.number, offset };
        this.last = { place, crc };
        this.offset += length;
        if (seals) this.goOnIn(next);
        written(place);
      },
      (error: unknown) => {
        throw this.ending.fault("could not be written", error);
      },
    );
  }

  /** Reads a record that was there; null where it is not intact any more. */
  read({ segment, offset }: RecordPlace): StoredRecord | null {
    const open = this.segments.get(segment);
    assert(open !== undefined, "a segment is removed when nothing in it is read any more");
    const { salt } = open.header;
    try {
      const start = open.file.read(offset, READ_BYTES);
      const length = recordBytes(start, 0, salt);
      if (length === null) return null;
      return readRecord(length <= start.length ? start : open.file.read(offset, length), 0, salt);
    } catch (error) {
      throw this.ending.fault("could not be read", error);
    }
  }

  /** Makes the segment that follows on the present one, unless it is there; what fails ends the log. */
  prepareNext(): Promise<void> {
    this.preparing ??= this.makeNext();
    return this.preparing;
  }

  /**
   * Removes the segments before one in the background, but never that of the last record. None of it need be durable: what
   * a crash brings back counts for nothing, and goes when the log is opened.
   */
  removeBefore(number: number): void {
    const end = Math.min(number, this.last.place.segment);
    const numbers: number[] = [];
    for (; this.firstNumber < end; this.firstNumber += 1) numbers.push(this.firstNumber);
    this.removeNumbers(numbers);
  }

  /** Removes segments that no record is read from. */
  removeNumbers(numbers: readonly number[]): void {
    if (numbers.length === 0) return;
    this.removing = this.removing.then(() => this.remove(numbers));
  }

  /** Resolves when what is under way in the background is done. */
  async settle(): Promise<void> {
    await this.preparing;
    await this.removing;
  }

  /** Safe to call twice. Not while something is written. */
  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private goOnIn(segment: OpenSegment): void {
    this.segments.set(segment.header.number, segment);
    this.current = segment;
    this.offset = HEADER_BYTES;
    this.next = null;
    this.preparing = null;
    void this.prepareNext();
  }

  private async makeNext(): Promise<void> {
    const { header, bytes } = newHeader(this.current.header.number + 1);
    try {
      this.next = {
        header,
        file: await this.disk.create(segmentName(header.number), bytes, this.segmentBytesMax),
      };
    } catch (error) {
      this.ending.fault("could not be given another segment", error);
    }
  }

  private async remove(numbers: readonly number[]): Promise<void> {
    try {
      for (const number of numbers) {
        const segment = this.segments.get(number);
        this.segments.delete(number);
        await segment?.file.close();
        await this.disk.remove(segmentName(number));
      }
    } catch (error) {
      // The next append meets it.
      this.ending.fault("could not remove what was given up", error);
    }
  }

  private async closeAll(): Promise<void> {
    await this.settle();
    for (const { file } of this.segments.values()) await file.close();
    await this.next?.file.close();
  }
}
