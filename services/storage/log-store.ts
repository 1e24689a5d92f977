import { type Entry, type EntryId, entryBytes, type HardState, type Term } from "#raft";
import type { LogBatch, LogStore } from "#replica";
import { assert } from "#std";
import type { ChainedBatch } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { EntrySizes } from "./entry-sizes";
import type { EntryTail } from "./entry-tail";
import {
  type LogBegin,
  type LogEnd,
  readEntry,
  type StoredEntry,
  writeBegin,
  writeEnd,
  writeEntry,
  writeEntryKey,
} from "./log-layout";
import { LogRemoval } from "./log-removal";
import { RecordWriter } from "./record-writer";
import type { TermRuns } from "./term-runs";

/** What opening found, verified. */
export interface LogContents {
  readonly groupId: number;
  readonly begin: LogBegin;
  readonly end: LogEnd;
  readonly terms: TermRuns;
  readonly tail: EntryTail;
  readonly sizes: EntrySizes;
  /** The first entry before `begin` that is still stored; null for none. */
  readonly leftFrom: number | null;
}

/** Indexes that unsynced appends wrote or removed. */
interface Unsynced {
  readonly from: number;
  readonly to: number;
}

/** The log in LevelDB. One atomic batch an append; each batch also writes the end record, which vouches for the rest. */
export class LevelLogStore implements LogStore {
  private begin: LogBegin;
  private end: LogEnd;
  private unsynced: Unsynced | null = null;
  private queue: Promise<void> = Promise.resolve();
  private syncCount = 0;
  private syncedEntryCount = 0;
  private readonly groupId: number;
  private readonly terms: TermRuns;
  private readonly tail: EntryTail;
  private readonly sizes: EntrySizes;
  private readonly removal: LogRemoval;
  private readonly writer = new RecordWriter();

  constructor(
    private readonly handle: DatabaseHandle,
    contents: LogContents,
  ) {
    this.groupId = contents.groupId;
    this.begin = contents.begin;
    this.end = contents.end;
    this.terms = contents.terms;
    this.tail = contents.tail;
    this.sizes = contents.sizes;
    this.removal = new LogRemoval(handle, contents.groupId, (write) => this.enqueue(write));
    if (contents.leftFrom !== null)
      this.removal.remove({ from: contents.leftFrom, to: this.begin.after.index });
  }

  get bytes(): number {
    return this.sizes.bytes;
  }

  get hardState(): HardState {
    return this.end.hardState;
  }

  get counters(): { readonly syncs: number; readonly entriesSynced: number } {
    return { syncs: this.syncCount, entriesSynced: this.syncedEntryCount };
  }

  firstIndex(): number {
    return this.begin.after.index + 1;
  }

  lastIndex(): number {
    return this.end.lastIndex;
  }

  term(index: number): Term | "compacted" | "unavailable" {
    const { after } = this.begin;
    if (index < after.index) return "compacted";
    if (index > this.end.lastIndex) return "unavailable";
    return index === after.index ? after.term : this.terms.termAt(index);
  }

  entries(range: {
    readonly from: number;
    readonly toExclusive: number;
    readonly bytesMax: number;
  }): readonly Entry[] {
    assert(this.firstIndex() <= range.from, "entries are read from the first that is held on");
    assert(range.from < range.toExclusive, "a range of entries is not empty");
    assert(range.toExclusive <= this.end.lastIndex + 1, "entries are read up to the last that is held");
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = range.from; index < range.toExclusive; index += 1) {
      const entry = this.tail.get(index)?.entry ?? this.load(index).entry;
      bytes += entryBytes(entry);
      if (entries.length > 0 && bytes > range.bytesMax) break;
      entries.push(entry);
    }
    return entries;
  }

  append(batch: LogBatch, options: { readonly sync: boolean }): Promise<void> {
    return this.enqueue(() => this.writeAppend(batch, options.sync));
  }

  reset(entry: EntryId): Promise<void> {
    return this.enqueue(() => this.writeReset(entry));
  }

  cut(index: number): Promise<void> {
    return this.enqueue(() => this.writeCut(index));
  }

  /** Resolves when the entries that were given up are removed and their space is returned. */
  settle(): Promise<void> {
    return this.removal.settle();
  }

  async close(): Promise<void> {
    this.removal.stop();
    await this.removal.settle();
    await this.queue;
    await this.handle.close();
  }

  /** Runs after all that was asked for before, whatever became of it: a failure has ended the handle by then. */
  private enqueue(write: () => Promise<void>): Promise<void> {
    const written = this.queue.then(() => {
      this.handle.check();
      return write();
    });
    this.queue = written.catch(() => undefined);
    return written;
  }

  private async writeAppend({ entries, hardState }: LogBatch, sync: boolean): Promise<void> {
    const first = entries[0]?.index ?? this.end.lastIndex + 1;
    assert(first >= this.firstIndex(), "entries before the first are never replaced");
    assert(first <= this.end.lastIndex + 1, "entries follow on the log without a gap");
    const redo = sync ? this.redone(first) : [];
    const written = redo.length === 0 ? entries : [...redo, ...entries];
    const writtenFrom = redo[0]?.index ?? first;

    const batch = this.handle.database.batch();
    const crcs: number[] = [];
    let lastIndex = writtenFrom - 1;
    let crc = this.crcAt(lastIndex);
    let lastTerm = this.term(lastIndex);
    for (const entry of written) {
      assert(entry.index === lastIndex + 1, "the indexes of the entries are consecutive");
      assert(typeof lastTerm === "number" && entry.term >= lastTerm, "terms never fall along the log");
      crc = writeEntry(this.writer, this.groupId, entry, crc).putInto(batch).crc;
      crcs.push(crc);
      lastIndex = entry.index;
      lastTerm = entry.term;
    }
    const removedTo = Math.max(this.end.lastIndex, this.unsynced?.to ?? 0);
    this.removeEntries(batch, lastIndex + 1, removedTo);
    const end: LogEnd = { hardState: hardState ?? this.end.hardState, lastIndex, crc };
    assert(end.hardState.commit <= lastIndex, "what is committed is in the log");
    writeEnd(this.writer, this.groupId, end).putInto(batch);
    await this.handle.write(batch, { sync });

    if (entries.length > 0) {
      this.terms.truncateFrom(first);
      this.tail.truncateFrom(first);
      this.sizes.truncateFrom(first);
      for (const [at, entry] of entries.entries()) {
        this.terms.append(entry.index, entry.term);
        this.sizes.append(entry);
        this.tail.append(entry, crcs[redo.length + at] as number);
      }
    }
    this.end = end;
    if (sync) {
      this.unsynced = null;
      this.syncCount += 1;
      this.syncedEntryCount += entries.length;
    } else if (entries.length > 0) {
      this.unsynced = { from: Math.min(this.unsynced?.from ?? first, first), to: removedTo };
    }
  }

  /**
   * Entries before `first` that only unsynced appends wrote: a later sync does not cover them when LevelDB changed to
   * a new log file in between (architecture, Durability), so a synced append writes them once more.
   */
  private redone(first: number): readonly Entry[] {
    if (this.unsynced === null || this.unsynced.from >= first) return [];
    return this.entries({ from: this.unsynced.from, toExclusive: first, bytesMax: Number.POSITIVE_INFINITY });
  }

  private async writeReset(entry: EntryId): Promise<void> {
    const { hardState, lastIndex } = this.end;
    assert(
      entry.index >= hardState.commit,
      "a log is reset to an entry that is committed, not to an older one",
    );
    const batch = this.handle.database.batch();
    this.removeEntries(batch, this.firstIndex(), Math.max(lastIndex, this.unsynced?.to ?? 0));
    const begin: LogBegin = { after: { term: entry.term, index: entry.index }, crc: 0 };
    const end: LogEnd = {
      // A vote is bound to its term: a log that goes on in a later term starts there without one.
      hardState:
        entry.term > hardState.term
          ? { term: entry.term, vote: null, commit: entry.index }
          : { ...hardState, commit: entry.index },
      lastIndex: entry.index,
      crc: begin.crc,
    };
    writeBegin(this.writer, this.groupId, begin).putInto(batch);
    writeEnd(this.writer, this.groupId, end).putInto(batch);
    await this.handle.write(batch, { sync: true });
    const removedFrom = this.firstIndex();
    this.removal.noteRemoved(this.sizes.bytes);
    this.terms.clear();
    this.tail.clear();
    this.sizes.clear(entry.index + 1);
    this.begin = begin;
    this.end = end;
    this.unsynced = null;
    this.syncCount += 1;
    // They are gone already; this returns their space.
    this.removal.remove({ from: removedFrom, to: Math.min(lastIndex, entry.index) });
  }

  /**
   * Moves where the log begins, durably; only then are entries removed, for what lies before it counts for nothing when
   * the log is opened, and what is missing after it is damage.
   */
  private async writeCut(index: number): Promise<void> {
    const { after } = this.begin;
    assert(index <= this.end.lastIndex, "what is given up of a log was in it");
    if (index <= after.index) return;
    const begin: LogBegin = { after: { term: this.terms.termAt(index), index }, crc: this.crcAt(index) };
    const batch = this.handle.database.batch();
    writeBegin(this.writer, this.groupId, begin).putInto(batch);
    await this.handle.write(batch, { sync: true });
    this.begin = begin;
    this.terms.dropBefore(index + 1);
    this.tail.dropBefore(index + 1);
    const bytesBefore = this.sizes.bytes;
    this.sizes.dropBefore(index + 1);
    if (this.unsynced !== null) {
      this.unsynced = { ...this.unsynced, from: Math.max(this.unsynced.from, index + 1) };
    }
    this.syncCount += 1;
    this.removal.noteRemoved(bytesBefore - this.sizes.bytes);
    this.removal.remove({ from: after.index + 1, to: index });
  }

  private removeEntries(batch: ChainedBatch, from: number, to: number): void {
    for (let index = from; index <= to; index += 1) {
      writeEntryKey(this.writer, this.groupId, index).deleteFrom(batch);
    }
  }

  /** The checksum that the record after `index` names. */
  private crcAt(index: number): number {
    if (index === this.end.lastIndex) return this.end.crc;
    if (index === this.begin.after.index) return this.begin.crc;
    return this.tail.get(index)?.crc ?? this.load(index).crc;
  }

  private load(index: number): StoredEntry {
    const key = writeEntryKey(this.writer, this.groupId, index).takeKey();
    const stored = this.handle.get(key);
    const found = stored === undefined ? null : readEntry(key, stored);
    if (found === null || found.entry.term !== this.terms.termAt(index)) {
      throw this.handle.damaged(`entry ${index} was there on opening and cannot be read any more`);
    }
    return found;
  }
}
