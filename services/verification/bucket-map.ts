import type { StateWrites } from "#kv";
import { assert } from "#std";
import { type Bucket, bucketOf, isBehind, unknownBucket } from "./bucket";
import type { KeySpace } from "./hashes";
import { PackedStarts } from "./packed-starts";

interface Space {
  readonly generation: number;
  buckets: readonly Bucket[];
  starts: PackedStarts;
}

/**
 * The buckets of all present keys with what is known of them, and which of them were written to since. A write costs the
 * look-up of its bucket and one number. Which ranges the buckets are changes only when a round was hashed.
 */
export class BucketMap {
  private spaces = new Map<number, Space>();
  private freezes = 0;

  /** How often the state was frozen. */
  get freezeCount(): number {
    return this.freezes;
  }

  /** The state is being frozen: what was written until now is in it. Returns the number of the freeze. */
  frozen(present: readonly { readonly id: number; readonly generation: number }[]): number {
    const spaces = new Map<number, Space>();
    for (const { id, generation } of present) {
      const known = this.spaces.get(id);
      const isKnown = known?.generation === generation;
      spaces.set(id, isKnown ? known : unknownSpace(generation));
    }
    this.spaces = spaces;
    this.freezes += 1;
    return this.freezes;
  }

  written({ changes }: Pick<StateWrites, "changes">): void {
    for (const change of changes) {
      switch (change.kind) {
        case "put":
          this.mark(change, change.record.key);
          break;
        case "delete":
          this.mark(change, change.key);
          break;
        case "truncate":
          // Its keys are of a generation that is looked for no more.
          break;
      }
    }
  }

  /** The record of a key is another one now. */
  mark({ namespaceId, generation }: KeySpace, key: Uint8Array): void {
    const space = this.spaces.get(namespaceId);
    // A generation that is not known yet is read whole by the next round.
    if (space === undefined || space.generation !== generation) return;
    (space.buckets[space.starts.find(key)] as Bucket).markedAt = this.freezes;
  }

  /** null where that generation is not known: the namespace was truncated, deleted, or came later than the last freeze. */
  bucketsOf({ namespaceId, generation }: KeySpace): readonly Bucket[] | null {
    const space = this.spaces.get(namespaceId);
    return space?.generation === generation ? space.buckets : null;
  }

  /** Takes over what a round found. Nothing where the generation has ended meanwhile. */
  hashed({ namespaceId, generation }: KeySpace, buckets: readonly Bucket[]): void {
    const space = this.spaces.get(namespaceId);
    if (space === undefined || space.generation !== generation) return;
    assert(buckets[0]?.start.length === 0, "the first bucket starts before all keys");
    const before = space.buckets;
    for (const [at, bucket] of buckets.entries()) {
      // One that was not hashed again is the same object, and its marks are its own.
      const from = bucketOf(before, bucket.start);
      if (before[from] === bucket) continue;
      const next = buckets[at + 1];
      for (let old = from; old < before.length; old += 1) {
        const { start, markedAt } = before[old] as Bucket;
        if (old > from && next !== undefined && bucketOf([bucket, next], start) === 1) break;
        bucket.markedAt = Math.max(bucket.markedAt, markedAt);
      }
    }
    space.buckets = buckets;
    space.starts = new PackedStarts(buckets);
  }

  /** Nothing is known any more: another state took the place of the one that was written to. */
  forget(): void {
    this.spaces = new Map();
  }

  /** Keys as last hashed. */
  count(): { readonly buckets: number; readonly behind: number; readonly keys: number } {
    let buckets = 0;
    let behind = 0;
    let keys = 0;
    for (const space of this.spaces.values()) {
      buckets += space.buckets.length;
      for (const bucket of space.buckets) {
        keys += bucket.keys;
        if (isBehind(bucket)) behind += 1;
      }
    }
    return { buckets, behind, keys };
  }
}

function unknownSpace(generation: number): Space {
  const buckets = [unknownBucket()];
  return { generation, buckets, starts: new PackedStarts(buckets) };
}
