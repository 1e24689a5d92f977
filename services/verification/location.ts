import { bytesEqual, compareBytes } from "#std";
import type { BucketHash, Difference, KeyHash, KeySpaceRange } from "./ports";

/** Where two members differ, and how many keys the first and the second have there. */
export interface DifferingRange extends KeySpaceRange {
  readonly keys: readonly [number, number];
}

/** A key that one member has otherwise than another; `right` is the hash of the one that is believed. */
export interface DifferingKey {
  readonly namespaceId: number;
  readonly generation: number;
  readonly key: Uint8Array;
  readonly difference: Difference;
  /** null: it must not be there. */
  readonly right: Uint8Array | null;
}

/** Asks one of the two. */
export interface KeySource {
  keys(range: KeySpaceRange): Promise<readonly KeyHash[] | null>;
}

/**
 * The ranges in which two lists of buckets differ, as small as starts that both have allow. Both lists are of all
 * generations, in order. A generation that only one of them has differs as a whole.
 */
export function differingRanges(
  wrong: readonly BucketHash[],
  right: readonly BucketHash[],
): readonly DifferingRange[] {
  const ranges: DifferingRange[] = [];
  let left = 0;
  let other = 0;
  while (left < wrong.length || other < right.length) {
    // Both stand at starts that are equal, or one of them at the end of what it has.
    const place = earlier(wrong[left], right[other]);
    let leftEnd = left;
    let otherEnd = other;
    const isNext = (bucket: BucketHash | undefined): bucket is BucketHash =>
      bucket !== undefined && isOfSpace(bucket, place);
    if (isAt(wrong[left], place)) leftEnd += 1;
    if (isAt(right[other], place)) otherEnd += 1;
    // On to the next start that both have, or the end of the generation.
    for (;;) {
      const next = wrong[leftEnd];
      const otherNext = right[otherEnd];
      if (isNext(next) && isNext(otherNext)) {
        const order = compareBytes(next.start, otherNext.start);
        if (order === 0) break;
        if (order < 0) leftEnd += 1;
        else otherEnd += 1;
      } else if (isNext(next)) leftEnd += 1;
      else if (isNext(otherNext)) otherEnd += 1;
      else break;
    }
    const ours = wrong.slice(left, leftEnd);
    const theirs = right.slice(other, otherEnd);
    if (!areEqual(ours, theirs)) {
      const next = wrong[leftEnd] ?? right[otherEnd];
      const end = isNext(next) ? next.start : null;
      const { namespaceId, generation, start } = place;
      ranges.push({ namespaceId, generation, start, end, keys: [keysIn(ours), keysIn(theirs)] });
    }
    left = leftEnd;
    other = otherEnd;
  }
  return ranges;
}

/**
 * The keys in which two members differ within a range, read page by page from both; null where one of them cannot be asked
 * any more. Ends early once there are more than `keysMax`.
 */
export async function differingKeys(
  range: DifferingRange,
  wrong: KeySource,
  right: KeySource,
  keysMax: number,
): Promise<readonly DifferingKey[] | null> {
  const found: DifferingKey[] = [];
  const left = new Pages(range, wrong, range.keys[0]);
  const other = new Pages(range, right, range.keys[1]);
  const { namespaceId, generation } = range;
  while (found.length <= keysMax) {
    const ours = await left.peek();
    const theirs = await other.peek();
    if (ours === "gone" || theirs === "gone") return null;
    if (ours === null && theirs === null) break;
    const order = ours === null ? 1 : theirs === null ? -1 : compareBytes(ours.key, theirs.key);
    if (order <= 0) left.shift();
    if (order >= 0) other.shift();
    if (order < 0 && ours !== null) {
      found.push({ namespaceId, generation, key: ours.key, difference: "added", right: null });
    } else if (order > 0 && theirs !== null) {
      found.push({ namespaceId, generation, key: theirs.key, difference: "missing", right: theirs.hash });
    } else if (ours !== null && theirs !== null && !bytesEqual(ours.hash, theirs.hash)) {
      found.push({ namespaceId, generation, key: ours.key, difference: "different", right: theirs.hash });
    }
  }
  return found;
}

/** The keys of a range, asked for page by page until there are as many as its buckets have. */
class Pages {
  private page: readonly KeyHash[] = [];
  private at = 0;
  private taken = 0;

  constructor(
    private readonly range: DifferingRange,
    private readonly source: KeySource,
    private readonly count: number,
  ) {}

  async peek(): Promise<KeyHash | null | "gone"> {
    const present = this.page[this.at];
    if (present !== undefined) return present;
    if (this.taken >= this.count) return null;
    const last = this.page.at(-1);
    const start = last === undefined ? this.range.start : after(last.key);
    const page = await this.source.keys({ ...this.range, start });
    if (page === null || page.length === 0) return "gone";
    this.page = page;
    this.at = 0;
    this.taken += page.length;
    return page[0] as KeyHash;
  }

  shift(): void {
    this.at += 1;
  }
}

/** The first key behind another. */
export function after(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

function earlier(left: BucketHash | undefined, right: BucketHash | undefined): BucketHash {
  if (left === undefined) return right as BucketHash;
  if (right === undefined) return left;
  const order = left.namespaceId - right.namespaceId || left.generation - right.generation;
  return order <= 0 ? left : right;
}

function isOfSpace(bucket: BucketHash, space: BucketHash): boolean {
  return bucket.namespaceId === space.namespaceId && bucket.generation === space.generation;
}

function isAt(bucket: BucketHash | undefined, place: BucketHash): boolean {
  return bucket !== undefined && isOfSpace(bucket, place) && compareBytes(bucket.start, place.start) === 0;
}

function areEqual(left: readonly BucketHash[], right: readonly BucketHash[]): boolean {
  if (left.length !== right.length) return false;
  return left.every((bucket, at) => {
    const other = right[at] as BucketHash;
    return compareBytes(bucket.start, other.start) === 0 && bytesEqual(bucket.hash, other.hash);
  });
}

function keysIn(buckets: readonly BucketHash[]): number {
  let keys = 0;
  for (const bucket of buckets) keys += bucket.keys;
  return keys;
}
