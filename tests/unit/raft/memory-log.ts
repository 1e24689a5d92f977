import { type Entry, type EntryId, entryBytes, type LogReader } from "@quorate/services/raft";

/** A stored log in memory: what was written is durable at once, and a write replaces what follows its first entry. */
export class MemoryLog implements LogReader {
  private entriesHeld: Entry[] = [];

  constructor(private snapshot: EntryId = { term: 0, index: 0 }) {}

  firstIndex(): number {
    return this.snapshot.index + 1;
  }

  lastIndex(): number {
    return this.snapshot.index + this.entriesHeld.length;
  }

  term(index: number): number | "compacted" | "unavailable" {
    if (index < this.snapshot.index) return "compacted";
    if (index === this.snapshot.index) return this.snapshot.term;
    return this.entriesHeld[index - this.firstIndex()]?.term ?? "unavailable";
  }

  entries(range: { from: number; toExclusive: number; bytesMax: number }): readonly Entry[] {
    const wanted = this.entriesHeld.slice(
      range.from - this.firstIndex(),
      range.toExclusive - this.firstIndex(),
    );
    let bytes = 0;
    const beyond = wanted.findIndex((entry, at) => {
      bytes += entryBytes(entry);
      return at > 0 && bytes > range.bytesMax;
    });
    return beyond < 0 ? wanted : wanted.slice(0, beyond);
  }

  store(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    this.entriesHeld.length = first.index - this.firstIndex();
    this.entriesHeld.push(...entries);
  }

  /** Forgets all entries up to that one, as if a snapshot held them. */
  compactedTo(id: EntryId): MemoryLog {
    const log = new MemoryLog(id);
    log.entriesHeld = this.entriesHeld.slice(id.index + 1 - this.firstIndex());
    return log;
  }

  /** Forgets the entries up to there, in place. */
  compact(index: number): void {
    const term = this.term(index);
    if (typeof term !== "number") throw new Error(`the log does not hold ${index}`);
    this.entriesHeld = this.entriesHeld.slice(index + 1 - this.firstIndex());
    this.snapshot = { term, index };
  }

  /** Goes on after that entry, unless it holds it. */
  continueAfter(id: EntryId): void {
    if (this.term(id.index) === id.term) return;
    this.entriesHeld = [];
    this.snapshot = id;
  }

  get all(): readonly Entry[] {
    return this.entriesHeld;
  }
}
