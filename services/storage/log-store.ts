import type { Entry, EntryId, HardState, Term } from "#raft";
import { entryBytes } from "#raft";
import type { LogBatch, LogStore } from "#replica";
import { assert } from "#std";
import type { LogContents } from "./log-contents";
import type { LogFiles } from "./log-files";
import type { LogRecord } from "./log-record";
import { isSamePlace, type RecordPlace } from "./record-places";
import type { StoreEnding } from "./store-ending";

/** What a log store is made of; opened and verified. */
export interface LogParts {
  readonly ending: StoreEnding;
  readonly files: LogFiles;
  readonly contents: LogContents;
  /** Lets others open the log. */
  readonly release: () => Promise<void>;
}

/** The record that was read last. */
interface LoadedRecord {
  readonly place: RecordPlace;
  readonly record: LogRecord;
}

/** The log in segments: each append is one record, and one write that is synced. */
export class SegmentLogStore implements LogStore {
  private queue: Promise<void> = Promise.resolve();
  /** Writes that were asked for and have not ended. */
  private openCount = 0;
  private syncCount = 0;
  private syncedEntryCount = 0;
  private closing: Promise<void> | null = null;

  constructor(private readonly parts: LogParts) {}

  get bytes(): number {
    return this.parts.contents.bytes;
  }

  get hardState(): HardState {
    return this.parts.contents.hardState;
  }

  get counters(): { readonly syncs: number; readonly entriesSynced: number } {
    return { syncs: this.syncCount, entriesSynced: this.syncedEntryCount };
  }

  firstIndex(): number {
    return this.parts.contents.begin.index + 1;
  }

  lastIndex(): number {
    return this.parts.contents.lastIndex;
  }

  term(index: number): Term | "compacted" | "unavailable" {
    return this.parts.contents.term(index);
  }

  entries(range: {
    readonly from: number;
    readonly toExclusive: number;
    readonly bytesMax: number;
  }): readonly Entry[] {
    const { contents } = this.parts;
    assert(this.firstIndex() <= range.from, "entries are read from the first that is held on");
    assert(range.from < range.toExclusive, "a range of entries is not empty");
    assert(range.toExclusive <= contents.lastIndex + 1, "entries are read up to the last that is held");
    const entries: Entry[] = [];
    let loaded: LoadedRecord | null = null;
    let bytes = 0;
    for (let index = range.from; index < range.toExclusive; index += 1) {
      let entry = contents.recent(index);
      if (entry === undefined) {
        loaded = this.load(index, loaded);
        entry = loaded.record.entries[index - loaded.record.after.index - 1] as Entry;
      }
      bytes += entryBytes(entry);
      if (entries.length > 0 && bytes > range.bytesMax) break;
      entries.push(entry);
    }
    return entries;
  }

  /** What is appended without a sync is synced all the same: a later record is worth nothing without those before it. */
  append(batch: LogBatch, options: { readonly sync: boolean }): Promise<void> {
    return this.enqueue(() => this.writeAppend(batch, options.sync));
  }

  reset(entry: EntryId): Promise<void> {
    return this.enqueue(() => this.writeReset(entry));
  }

  cut(index: number): Promise<void> {
    return this.enqueue(() => this.writeCut(index));
  }

  /** Resolves when the segments that were given up are removed. */
  async settle(): Promise<void> {
    await this.queue;
    await this.parts.files.settle();
  }

  close(): Promise<void> {
    this.closing ??= this.closeParts();
    return this.closing;
  }

  private async closeParts(): Promise<void> {
    const { ending, files, release } = this.parts;
    await this.queue;
    ending.end("is closed", { dataLoss: false });
    await files.close();
    await release();
  }

  /**
   * Runs after all that was asked for before, whatever became of it: a failure has ended the log by then. Where there is
   * nothing before it the write begins in this call, so that the disk works while its caller goes on.
   */
  private enqueue(write: () => Promise<void>): Promise<void> {
    const written = this.openCount === 0 ? this.begin(write) : this.queue.then(() => this.begin(write));
    this.openCount += 1;
    this.queue = written.then(this.ended, this.ended);
    return written;
  }

  /** Rejects where the write throws. */
  private begin(write: () => Promise<void>): Promise<void> {
    try {
      this.parts.ending.check();
      return write();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private readonly ended = (): void => {
    this.openCount -= 1;
  };

  /** No async function, as little as those beneath it: the log waits for each of its writes, and one is a turn's. */
  private writeAppend({ entries, hardState }: LogBatch, sync: boolean): Promise<void> {
    const { contents } = this.parts;
    const first = entries[0]?.index ?? contents.lastIndex + 1;
    assert(first >= this.firstIndex(), "entries before the first are never replaced");
    assert(first <= contents.lastIndex + 1, "entries follow on the log without a gap");
    const after = contents.idAt(first - 1);
    let last = after;
    for (const entry of entries) {
      assert(entry.index === last.index + 1, "the indexes of the entries are consecutive");
      assert(entry.term >= last.term, "terms never fall along the log");
      last = entry;
    }
    const record = {
      begin: contents.begin,
      after,
      entries,
      hardState: hardState ?? contents.hardState,
    };
    assert(record.hardState.commit <= last.index, "what is committed is in the log");
    return this.parts.files.write(record, (place) => {
      contents.apply(record, place);
      if (!sync) return;
      this.syncCount += 1;
      this.syncedEntryCount += entries.length;
    });
  }

  private async writeReset({ term, index }: EntryId): Promise<void> {
    const { hardState } = this.parts.contents;
    assert(index >= hardState.commit, "a log is reset to an entry that is committed, not to an older one");
    const begin = { term, index };
    await this.write({
      begin,
      after: begin,
      entries: [],
      // A vote is bound to its term: a log that goes on in a later term starts there without one.
      hardState:
        term > hardState.term ? { term, vote: null, commit: index } : { ...hardState, commit: index },
    });
    this.syncCount += 1;
    this.removeCut();
  }

  /** Moves where the log begins, durably; only then are segments removed, for what is missing behind it is damage. */
  private async writeCut(index: number): Promise<void> {
    const { contents } = this.parts;
    const { begin, lastIndex, hardState } = contents;
    assert(index <= lastIndex, "what is given up of a log was in it");
    if (index <= begin.index) return;
    await this.write({
      begin: contents.idAt(index),
      after: contents.idAt(lastIndex),
      entries: [],
      hardState,
    });
    this.syncCount += 1;
    this.removeCut();
  }

  private write(record: LogRecord): Promise<void> {
    const { contents, files } = this.parts;
    return files.write(record, (place) => contents.apply(record, place));
  }

  private removeCut(): void {
    const { contents, files } = this.parts;
    files.removeBefore(contents.firstSegment ?? Number.POSITIVE_INFINITY);
  }

  /** The record that an entry lies in. @param before which was read before: most entries lie in the same */
  private load(index: number, before: LoadedRecord | null): LoadedRecord {
    const { contents, files, ending } = this.parts;
    const place = contents.placeOf(index);
    if (before !== null && isSamePlace(before.place, place)) return before;
    const record = files.read(place);
    if (record?.entries[index - record.after.index - 1]?.term !== contents.term(index) || record === null) {
      throw ending.damaged(`entry ${index} was there on opening and cannot be read any more`);
    }
    return { place, record };
  }
}
