import type { Entry, Index, Term } from "./entry";

/**
 * The stored log, read synchronously: a port that the caller implements. The core asks it only for entries whose
 * persisted() it has seen, so what it answers about them must not change until a Ready replaces them; compaction may
 * move `firstIndex` up at any time, never past the applied index + 1.
 */
export interface LogReader {
  /** The index of the first entry that is held; one more than the index of the snapshot when no entry is held. */
  firstIndex(): Index;
  /** The index of the last entry that is held; firstIndex() - 1 when none is. Read at construction and by restore(). */
  lastIndex(): Index;
  /**
   * The term of an entry in [firstIndex() - 1, lastIndex()]: the entry before the first still answers, from the
   * snapshot, and index 0 has term 0. Below: "compacted". Above: "unavailable".
   */
  term(index: Index): Term | "compacted" | "unavailable";
  /**
   * The entries from `from` on, as many as fit into bytesMax but at least one, all below `toExclusive`. The caller asks
   * only for what is held: firstIndex() <= from < toExclusive <= lastIndex() + 1. bytesMax may be Infinity; bytes are
   * counted by entryBytes().
   */
  entries(range: {
    readonly from: Index;
    readonly toExclusive: Index;
    readonly bytesMax: number;
  }): readonly Entry[];
}
