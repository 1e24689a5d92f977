import type { StoredChange } from "./revision-records";
import { type ChangePlace, comparePlaces } from "./version-chain";

/** Some 32 KiB each at most. */
const ROWS_MAX = 32;

interface CachedRow {
  readonly namespaceId: number;
  readonly first: ChangePlace;
  readonly last: ChangePlace;
  readonly changes: readonly StoredChange[];
}

/**
 * The `revision` rows that were read last for what keys were before: pages of one scan, and reads at one revision, go by the same
 * rows again and again. A row never changes, and is asked for only where something that is there leads to it.
 */
export class RevisionRowCache {
  /** That which was used last comes first. */
  private readonly rows: CachedRow[] = [];

  /** The changes of the row that has a place; null where it is not kept. */
  find(namespaceId: number, place: ChangePlace): readonly StoredChange[] | null {
    const { rows } = this;
    for (let at = 0; at < rows.length; at += 1) {
      const row = rows[at] as CachedRow;
      const isWithin =
        row.namespaceId === namespaceId &&
        comparePlaces(row.first, place) <= 0 &&
        comparePlaces(place, row.last) <= 0;
      if (!isWithin) continue;
      rows.copyWithin(1, 0, at);
      rows[0] = row;
      return row.changes;
    }
    return null;
  }

  add(namespaceId: number, changes: readonly StoredChange[]): void {
    const [first, last] = [changes[0], changes.at(-1)];
    if (first === undefined || last === undefined) return;
    this.rows.unshift({ namespaceId, first, last, changes });
    if (this.rows.length > ROWS_MAX) this.rows.pop();
  }
}
