import { type Entry, entryBytes } from "#raft";
import { assert } from "#std";

/** How many bytes each entry of a log takes, about, to know what is left when some are given up. */
export class EntrySizes {
  private sizes: number[] = [];
  /** Positions before it are given up. */
  private front = 0;
  private total = 0;

  /** @param firstIndex of the first entry that will be appended */
  constructor(private firstIndex: number) {}

  get bytes(): number {
    return this.total;
  }

  /** An entry that follows on the last. */
  append(entry: Entry): void {
    assert(entry.index === this.nextIndex, "entries are counted in the order of the log");
    const bytes = entryBytes(entry);
    this.sizes.push(bytes);
    this.total += bytes;
  }

  /** Forgets the entries from `index` on. */
  truncateFrom(index: number): void {
    while (this.nextIndex > index && this.sizes.length > this.front) this.total -= this.sizes.pop() as number;
  }

  /** Forgets the entries before `index`. */
  dropBefore(index: number): void {
    while (this.firstIndex < index && this.front < this.sizes.length) {
      this.total -= this.sizes[this.front] as number;
      this.front += 1;
      this.firstIndex += 1;
    }
    if (this.front * 2 < this.sizes.length) return;
    this.sizes = this.sizes.slice(this.front);
    this.front = 0;
  }

  /** Forgets all; what is appended next is the entry at `firstIndex`. */
  clear(firstIndex: number): void {
    this.sizes = [];
    this.front = 0;
    this.total = 0;
    this.firstIndex = firstIndex;
  }

  private get nextIndex(): number {
    return this.firstIndex + this.sizes.length - this.front;
  }
}
