import { assert } from "#std";
import { countWithinBytes, type Entry, type EntryId, type Index, type Term } from "./entry";

/**
 * The end of the log that is not known to be durable yet. Its first part is handed out to be stored, the rest is still
 * to be. What is durable is dropped from here and read through the LogReader from then on.
 *
 * It may begin below the end of the stored log: then the next write cuts the stored log before it adds.
 */
export class LogTail {
  private entries: Entry[] = [];
  private handedOutCount = 0;
  /** The last entry before the tail: durable, or the point of the snapshot. */
  private previous: EntryId;

  constructor(previous: EntryId) {
    this.previous = previous;
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** The index of the first entry that the tail holds, or would hold. */
  get firstIndex(): Index {
    return this.previous.index + 1;
  }

  get lastIndex(): Index {
    return this.previous.index + this.entries.length;
  }

  get lastId(): EntryId {
    const entry = this.entries.at(-1);
    return entry === undefined ? this.previous : { term: entry.term, index: entry.index };
  }

  /** The term of an entry in the tail or of the one before it; null outside. */
  term(index: Index): Term | null {
    if (index === this.previous.index) return this.previous.term;
    return this.entries[index - this.firstIndex]?.term ?? null;
  }

  /**
   * The entries in [from, toExclusive), all of which must be in the tail: as many as fit into bytesMax, but at least
   * one.
   */
  slice(from: Index, toExclusive: Index, bytesMax: number): Entry[] {
    assert(from >= this.firstIndex, "the slice begins in the tail");
    assert(from < toExclusive, "the slice is neither empty nor inverted");
    assert(toExclusive <= this.lastIndex + 1, "the slice ends in the tail");
    const start = from - this.firstIndex;
    const end = start + (toExclusive - from);
    return this.entries.slice(start, start + countWithinBytes(this.entries, start, end, bytesMax));
  }

  get hasUnhanded(): boolean {
    return this.handedOutCount < this.entries.length;
  }

  /** Hands out what was not handed out yet, to be stored. */
  handOut(): Entry[] {
    const entries =
      this.handedOutCount === 0 ? this.entries.slice() : this.entries.slice(this.handedOutCount);
    this.handedOutCount = this.entries.length;
    return entries;
  }

  append(entries: readonly Entry[]): void {
    let { index, term } = this.lastId;
    for (const entry of entries) {
      assert(entry.index === index + 1, "the log has no gap");
      assert(entry.term >= term, "terms never fall along the log");
      index = entry.index;
      term = entry.term;
      this.entries.push(entry);
    }
  }

  /** Makes `previous` the end of the log: whatever came after it is forgotten, handed out or not. */
  cutAfter(previous: EntryId): void {
    assert(previous.index <= this.lastIndex, "the log is cut where it has an entry");
    if (previous.index < this.firstIndex) {
      this.entries = [];
      this.handedOutCount = 0;
      this.previous = previous;
      return;
    }
    this.entries.length = previous.index + 1 - this.firstIndex;
    this.handedOutCount = Math.min(this.handedOutCount, this.entries.length);
    assert(this.lastId.term === previous.term, "the entry before the cut is the one that was matched");
  }

  /**
   * Begins after an entry that it holds, or that comes right before it. All that follows is to be handed out again: the
   * stored log may end there now. Only while nothing is being written.
   */
  restartAfter(id: EntryId): void {
    assert(this.term(id.index) === id.term, "the tail goes on after an entry of its own");
    this.entries = this.entries.slice(id.index + 1 - this.firstIndex);
    this.previous = id;
    this.handedOutCount = 0;
  }

  /**
   * Drops the entries up to `id`, which are durable. Ignored when that entry is no longer here: it was dropped before,
   * or a newer leader's took its place while it was being written.
   */
  dropDurable(id: EntryId): void {
    if (id.index < this.firstIndex || this.term(id.index) !== id.term) return;
    const count = id.index + 1 - this.firstIndex;
    assert(count <= this.handedOutCount, "only what was handed out can be durable");
    this.previous = id;
    this.entries = count === this.entries.length ? [] : this.entries.slice(count);
    this.handedOutCount -= count;
  }
}
