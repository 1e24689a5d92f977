import type { KeyRange } from "./state-layout";

/** Beyond so many ranges it is their whole kind. */
const RANGES_MAX = 64;

/** What was removed of some kinds of rows, since its space was returned last. */
export class RemovedRows {
  private ranges: KeyRange[] = [];
  private byteCount = 0;

  /** @param whole all rows of those kinds */
  constructor(readonly whole: KeyRange) {}

  get bytes(): number {
    return this.byteCount;
  }

  /** Where history is given up step by step one range goes on where the one before ended. */
  add(range: KeyRange, bytes: number): void {
    this.byteCount += bytes;
    if (this.ranges[0] === this.whole) return;
    const at = this.ranges.findIndex(({ gte, lt }) => isSame(lt, range.gte) || isSame(gte, range.gte));
    if (at >= 0) {
      const { gte, lt } = this.ranges[at] as KeyRange;
      this.ranges[at] = { gte, lt: Buffer.compare(lt, range.lt) < 0 ? range.lt : lt };
      return;
    }
    this.ranges.push(range);
    if (this.ranges.length > RANGES_MAX) this.ranges = [this.whole];
  }

  /** In which all of it lay; from now on nothing was removed. */
  takeRanges(): readonly KeyRange[] {
    const { ranges } = this;
    this.ranges = [];
    this.byteCount = 0;
    return ranges;
  }
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
