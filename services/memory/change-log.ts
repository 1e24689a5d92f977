import type { Change } from "#kv";

/** The changes of one namespace in the order of (revision, ordinal). */
export class ChangeLog {
  constructor(private readonly changes: Change[] = []) {}

  /** Returns how to undo it; undone in the opposite order of the writes. */
  push(change: Change): () => void {
    this.changes.push(change);
    return () => this.changes.pop();
  }

  /** Up to `limit` of those from a place on, up to the end of the revision `to`. */
  from(
    place: { readonly revision: number; readonly ordinal: number },
    to: number,
    limit: number,
  ): readonly Change[] {
    const first = this.positionOf(place);
    const past = this.positionOf({ revision: to + 1, ordinal: 0 });
    return this.changes.slice(first, Math.min(past, first + limit));
  }

  [Symbol.iterator](): Iterator<Change> {
    return this.changes[Symbol.iterator]();
  }

  /** A copy without the changes up to `floor`. */
  since(floor: number): ChangeLog {
    return new ChangeLog(this.changes.slice(this.positionOf({ revision: floor + 1, ordinal: 0 })));
  }

  /** Of the first change that is not before the place. */
  private positionOf(place: { readonly revision: number; readonly ordinal: number }): number {
    let low = 0;
    let high = this.changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { revision, ordinal } = this.changes[middle] as Change;
      const isBefore = revision < place.revision || (revision === place.revision && ordinal < place.ordinal);
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
