import type { Term } from "#raft";
import { assert } from "#std";

/** The term of each entry from `firstIndex` on, as runs of equal terms: a log has few terms and many entries. */
export class TermRuns {
  private readonly firstIndexes: number[] = [];
  private readonly terms: Term[] = [];

  /** An entry that follows all that are held. */
  append(index: number, term: Term): void {
    const last = this.terms.at(-1);
    assert(last === undefined || last <= term, "terms never fall along the log");
    if (last === term) return;
    this.firstIndexes.push(index);
    this.terms.push(term);
  }

  /** Forgets the entries from `index` on. */
  truncateFrom(index: number): void {
    while (this.firstIndexes.length > 0 && (this.firstIndexes.at(-1) as number) >= index) {
      this.firstIndexes.pop();
      this.terms.pop();
    }
  }

  /** Forgets the entries before `index`, of which one at least is held. */
  dropBefore(index: number): void {
    while (this.firstIndexes.length > 1 && (this.firstIndexes[1] as number) <= index) {
      this.firstIndexes.shift();
      this.terms.shift();
    }
  }

  clear(): void {
    this.truncateFrom(0);
  }

  /** Of an index within what is held. */
  termAt(index: number): Term {
    let low = 0;
    let high = this.firstIndexes.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.firstIndexes[middle] as number) <= index) low = middle;
      else high = middle - 1;
    }
    const term = this.terms[low];
    assert(term !== undefined && (this.firstIndexes[low] as number) <= index, "the index is held");
    return term;
  }
}
