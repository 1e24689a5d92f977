import { EMPTY_HARD_STATE, type Entry, type EntryId, entryBytes, type HardState } from "#raft";
import { assert } from "#std";
import { DiskFaults } from "./disk-faults";

interface LogImage {
  readonly after: EntryId;
  readonly hardState: HardState;
}

/** A log that outlives the store that writes it. */
export class MemoryLogDisk {
  /** Hooks and failures to come. */
  readonly faults = new DiskFaults();
  private image: LogImage = { after: { term: 0, index: 0 }, hardState: EMPTY_HARD_STATE };
  private entries: Entry[] = [];
  private synced: LogImage = this.image;
  /** The synced entries from the first index that an unsynced append touched; null when all is synced. */
  private covered: { readonly from: number; readonly entries: readonly Entry[] } | null = null;
  private damaged = false;
  private heldBytes = 0;

  /** About what the entries take. */
  get bytes(): number {
    return this.heldBytes;
  }

  /** A bit of what is stored has flipped: a store that is opened finds it, and refuses. */
  get isDamaged(): boolean {
    return this.damaged;
  }

  damage(): void {
    this.damaged = true;
  }

  get after(): EntryId {
    return this.image.after;
  }

  get hardState(): HardState {
    return this.image.hardState;
  }

  get lastIndex(): number {
    return this.image.after.index + this.entries.length;
  }

  /** No crash can take entries up to here. */
  get syncedIndex(): number {
    return this.covered === null ? this.lastIndex : this.covered.from - 1;
  }

  entryAt(index: number): Entry {
    const entry = this.entries[index - this.image.after.index - 1];
    assert(entry !== undefined, "the log holds the entry");
    return entry;
  }

  /** Replaces the log from the first of `entries` on. */
  replace(entries: readonly Entry[], hardState: HardState | null, sync: boolean): void {
    const first = entries[0];
    if (first !== undefined) {
      const position = first.index - this.image.after.index - 1;
      if (!sync) this.keepCovered(first.index);
      this.truncate(position);
      for (const entry of entries) this.push(entry);
    }
    if (hardState !== null) this.image = { ...this.image, hardState };
    if (sync) this.sync();
  }

  /** Empties the log so that it goes on after `entry`. */
  reset(after: EntryId, hardState: HardState): void {
    this.truncate(0);
    this.image = { after, hardState };
    this.sync();
  }

  /** Gives up the entries up to `index`, durably; the rest stays as safe as it was. */
  cut(index: number): void {
    const after = { term: this.entryAt(index).term, index };
    for (const entry of this.entries.splice(0, index - this.image.after.index)) {
      this.heldBytes -= entryBytes(entry);
    }
    this.image = { ...this.image, after };
    this.synced = { ...this.synced, after };
    if (this.covered === null || this.covered.from > index) return;
    const { from, entries } = this.covered;
    this.covered = { from: index + 1, entries: entries.slice(index + 1 - from) };
  }

  /** Ends the open store and drops what was not synced. */
  crash(): void {
    this.faults.release("the disk lost power");
    if (this.covered !== null) {
      this.truncate(this.covered.from - this.image.after.index - 1);
      for (const entry of this.covered.entries) this.push(entry);
      this.covered = null;
    }
    this.image = this.synced;
  }

  /** Makes all that is there safe from crashes, as opening a store does. */
  sync(): void {
    this.synced = this.image;
    this.covered = null;
  }

  private truncate(count: number): void {
    while (this.entries.length > count) this.heldBytes -= entryBytes(this.entries.pop() as Entry);
  }

  private push(entry: Entry): void {
    this.entries.push(entry);
    this.heldBytes += entryBytes(entry);
  }

  private keepCovered(from: number): void {
    const until = this.covered?.from ?? this.lastIndex + 1;
    if (from >= until && this.covered !== null) return;
    const first = this.image.after.index + 1;
    const newlyCovered = this.entries.slice(from - first, until - first);
    this.covered = { from, entries: [...newlyCovered, ...(this.covered?.entries ?? [])] };
  }
}
