import { assert } from "#std";

const SEGMENT_SPAN = 2 ** 32;

/** Where a record of the log lies. */
export interface RecordPlace {
  /** The number of its segment. */
  readonly segment: number;
  readonly offset: number;
}

export function isSamePlace(left: RecordPlace, right: RecordPlace): boolean {
  return left.segment === right.segment && left.offset === right.offset;
}

/** In which record each entry of a log lies. */
export class RecordPlaces {
  private firstIndexes: number[] = [];
  /** As one number each, for there may be as many as entries. */
  private places: number[] = [];
  /** Positions before it are given up. */
  private front = 0;

  /** The segment of the first record; null for none. */
  get firstSegment(): number | null {
    const place = this.places[this.front];
    return place === undefined ? null : Math.floor(place / SEGMENT_SPAN);
  }

  /** A record with entries from an index on, behind all that are held. */
  append(firstIndex: number, { segment, offset }: RecordPlace): void {
    this.firstIndexes.push(firstIndex);
    this.places.push(segment * SEGMENT_SPAN + offset);
  }

  /** Of the record that holds an entry. */
  at(index: number): RecordPlace {
    const place = this.places[this.positionOf(index)] as number;
    return { segment: Math.floor(place / SEGMENT_SPAN), offset: place % SEGMENT_SPAN };
  }

  /** Forgets the entries from `index` on. */
  truncateFrom(index: number): void {
    while (this.places.length > this.front && (this.firstIndexes.at(-1) as number) >= index) {
      this.firstIndexes.pop();
      this.places.pop();
    }
  }

  /** Forgets the records of which all entries lie before one that is held. */
  dropBefore(index: number): void {
    this.front = this.positionOf(index);
    if (this.front * 2 < this.places.length) return;
    this.firstIndexes = this.firstIndexes.slice(this.front);
    this.places = this.places.slice(this.front);
    this.front = 0;
  }

  clear(): void {
    this.firstIndexes = [];
    this.places = [];
    this.front = 0;
  }

  private positionOf(index: number): number {
    let low = this.front;
    let high = this.places.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.firstIndexes[middle] as number) <= index) low = middle;
      else high = middle - 1;
    }
    assert((this.firstIndexes[low] ?? index + 1) <= index, "the index is held");
    return low;
  }
}
