import { EMPTY_HARD_STATE, type Entry, type EntryId, type HardState, type Term } from "#raft";
import { EntrySizes } from "./entry-sizes";
import { EntryTail } from "./entry-tail";
import type { LogRecord } from "./log-record";
import { type RecordPlace, RecordPlaces } from "./record-places";
import { TermRuns } from "./term-runs";

/** What the records of a log come to, one after another: as they are read when it is opened, and as they are written. */
export class LogContents {
  begin: EntryId = { term: 0, index: 0 };
  lastIndex = 0;
  hardState: HardState = EMPTY_HARD_STATE;
  /** The first entry that was met; later than the first of the log until the records before it are replaced or cut. */
  knownFrom = 1;
  private readonly terms = new TermRuns();
  private readonly tail: EntryTail;
  private readonly sizes = new EntrySizes(1);
  private readonly places = new RecordPlaces();

  /** @param tailBytesMax of the newest entries kept in memory */
  constructor(tailBytesMax: number) {
    this.tail = new EntryTail(tailBytesMax);
  }

  /** About how many bytes the entries take. */
  get bytes(): number {
    return this.sizes.bytes;
  }

  /** The segment of the first entry; null where there is none. */
  get firstSegment(): number | null {
    return this.places.firstSegment;
  }

  apply({ begin, after, entries, hardState }: LogRecord, place: RecordPlace): void {
    const from = after.index + 1;
    if (after.index > this.lastIndex || from < this.knownFrom) this.clear(from);
    else if (from <= this.lastIndex) this.truncateFrom(from);
    if (entries.length > 0) {
      this.places.append(from, place);
      for (const entry of entries) {
        this.terms.append(entry.index, entry.term);
        this.sizes.append(entry);
      }
      this.tail.append(entries);
    }
    this.lastIndex = after.index + entries.length;
    this.hardState = hardState;
    if (begin.index > this.begin.index) this.dropBefore(begin.index + 1);
    this.begin = begin;
  }

  term(index: number): Term | "compacted" | "unavailable" {
    if (index < this.begin.index) return "compacted";
    if (index > this.lastIndex) return "unavailable";
    return index === this.begin.index ? this.begin.term : this.terms.termAt(index);
  }

  /** Of an entry that is held, or that the log begins after. */
  idAt(index: number): EntryId {
    return index === this.begin.index ? this.begin : { term: this.terms.termAt(index), index };
  }

  /** Undefined when it is not in memory. */
  recent(index: number): Entry | undefined {
    return this.tail.get(index);
  }

  /** Where an entry lies that is held. */
  placeOf(index: number): RecordPlace {
    return this.places.at(index);
  }

  private clear(from: number): void {
    this.terms.clear();
    this.tail.clear();
    this.sizes.clear(from);
    this.places.clear();
    this.knownFrom = from;
  }

  private truncateFrom(index: number): void {
    this.terms.truncateFrom(index);
    this.tail.truncateFrom(index);
    this.sizes.truncateFrom(index);
    this.places.truncateFrom(index);
  }

  private dropBefore(index: number): void {
    if (index > this.lastIndex) {
      this.clear(index);
      return;
    }
    if (index <= this.knownFrom) return;
    this.terms.dropBefore(index);
    this.tail.dropBefore(index);
    this.sizes.dropBefore(index);
    this.places.dropBefore(index);
    this.knownFrom = index;
  }
}
