import {
  EMPTY_HARD_STATE,
  type Entry,
  type EntryId,
  entryBytes,
  type HardState,
  type LogReader,
} from "@quorate/services/raft";
import { assert } from "@quorate/services/std";

/** The disk of a script's node: the entries after a snapshot and the hard state, written at once and never lost. */
export class StoredLog implements LogReader {
  hardState: HardState = EMPTY_HARD_STATE;
  #entries: readonly Entry[];
  #snapshot: EntryId;

  constructor(snapshot: EntryId, entries: readonly Entry[] = []) {
    this.#snapshot = snapshot;
    this.#entries = entries;
  }

  get snapshot(): EntryId {
    return this.#snapshot;
  }

  get all(): readonly Entry[] {
    return this.#entries;
  }

  firstIndex(): number {
    return this.#snapshot.index + 1;
  }

  lastIndex(): number {
    return this.#snapshot.index + this.#entries.length;
  }

  term(index: number): number | "compacted" | "unavailable" {
    if (index < this.#snapshot.index) return "compacted";
    if (index === this.#snapshot.index) return this.#snapshot.term;
    return this.#entries[index - this.firstIndex()]?.term ?? "unavailable";
  }

  entries(range: {
    readonly from: number;
    readonly toExclusive: number;
    readonly bytesMax: number;
  }): readonly Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (const entry of this.#entries.slice(
      range.from - this.firstIndex(),
      range.toExclusive - this.firstIndex(),
    )) {
      bytes += entryBytes(entry);
      if (found.length > 0 && bytes > range.bytesMax) break;
      found.push(entry);
    }
    return found;
  }

  /** Forgets the entries up to there; the caller has seen that the log holds that one. */
  compact(index: number): void {
    const term = this.term(index);
    assert(typeof term === "number", "the log is cut at an entry that it holds");
    this.#entries = this.#entries.slice(index + 1 - this.firstIndex());
    this.#snapshot = { term, index };
  }

  /** Goes on after the entry that an installed state has applied, with what follows it where it holds that entry. */
  continueAfter(last: EntryId): void {
    if (this.term(last.index) === last.term) return;
    this.#entries = [];
    this.#snapshot = last;
  }

  /** Writes entries over whatever the log holds from the first of them on. */
  store(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index >= this.firstIndex(), "entries below the snapshot are never written");
    assert(first.index <= this.lastIndex() + 1, "the stored log has no gap");
    this.#entries = [...this.#entries.slice(0, first.index - this.firstIndex()), ...entries];
  }
}
