import { type Entry, type EntryId, entryBytes, type HardState, type Term } from "#raft";
import { type LogBatch, type LogStore, StoreFailure } from "#replica";
import { assert } from "#std";
import type { DiskHandle } from "./disk-faults";
import type { MemoryLogDisk } from "./log-disk";

/**
 * Opens the log on a disk.
 *
 * @throws StoreFailure while another store has it open, and with dataLoss when it is damaged
 */
export function openMemoryLogStore(disk: MemoryLogDisk): LogStore {
  if (disk.isDamaged) throw new StoreFailure("a checksum in the log does not match", { dataLoss: true });
  const handle = disk.faults.open();
  if (handle === null) throw new StoreFailure("the disk is in use by another store", { dataLoss: false });
  disk.sync();
  return new MemoryLogStore(disk, handle);
}

class MemoryLogStore implements LogStore {
  private syncCount = 0;
  private syncedEntryCount = 0;

  constructor(
    private readonly disk: MemoryLogDisk,
    private readonly handle: DiskHandle,
  ) {}

  get hardState(): HardState {
    return this.disk.hardState;
  }

  get counters(): { readonly syncs: number; readonly entriesSynced: number } {
    return { syncs: this.syncCount, entriesSynced: this.syncedEntryCount };
  }

  get bytes(): number {
    return this.disk.bytes;
  }

  firstIndex(): number {
    return this.disk.after.index + 1;
  }

  lastIndex(): number {
    return this.disk.lastIndex;
  }

  term(index: number): Term | "compacted" | "unavailable" {
    const { after, lastIndex } = this.disk;
    if (index < after.index) return "compacted";
    if (index > lastIndex) return "unavailable";
    return index === after.index ? after.term : this.disk.entryAt(index).term;
  }

  entries(range: {
    readonly from: number;
    readonly toExclusive: number;
    readonly bytesMax: number;
  }): readonly Entry[] {
    assert(this.firstIndex() <= range.from, "entries are read from the first that is held on");
    assert(range.from < range.toExclusive, "a range of entries is not empty");
    assert(range.toExclusive <= this.lastIndex() + 1, "entries are read up to the last that is held");
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = range.from; index < range.toExclusive; index += 1) {
      const entry = this.disk.entryAt(index);
      bytes += entryBytes(entry);
      if (entries.length > 0 && bytes > range.bytesMax) break;
      entries.push(entry);
    }
    return entries;
  }

  append({ entries, hardState }: LogBatch, { sync }: { readonly sync: boolean }): Promise<void> {
    return this.handle.write(() => {
      this.checkEntries(entries);
      this.disk.replace(entries, hardState, sync);
      assert(this.hardState.commit <= this.lastIndex(), "what is committed is in the log");
      if (!sync) return;
      this.syncCount += 1;
      this.syncedEntryCount += entries.length;
    });
  }

  reset(entry: EntryId): Promise<void> {
    return this.handle.write(() => {
      const { hardState } = this;
      assert(
        entry.index >= hardState.commit,
        "a log is reset to an entry that is committed, not to an older one",
      );
      // A vote is bound to its term: a log that goes on in a later term starts there without one.
      const moved = entry.term > hardState.term ? { term: entry.term, vote: null } : hardState;
      const after = { term: entry.term, index: entry.index };
      this.disk.reset(after, { ...moved, commit: entry.index });
      this.syncCount += 1;
    });
  }

  cut(index: number): Promise<void> {
    return this.handle.write(() => {
      assert(index <= this.lastIndex(), "what is given up of a log was in it");
      if (index >= this.firstIndex()) this.disk.cut(index);
    });
  }

  async close(): Promise<void> {
    await this.handle.settle();
    this.handle.end("the log is closed");
    this.disk.faults.releaseHandle(this.handle);
  }

  private checkEntries(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index >= this.firstIndex(), "entries before the first are never replaced");
    assert(first.index <= this.lastIndex() + 1, "entries follow on the log without a gap");
    let before = this.term(first.index - 1);
    for (const [at, entry] of entries.entries()) {
      assert(entry.index === first.index + at, "the indexes of the entries are consecutive");
      assert(typeof before === "number" && entry.term >= before, "terms never fall along the log");
      before = entry.term;
    }
  }
}
