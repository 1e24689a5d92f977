import type { ResidentState } from "#kv";
import type { Digest, FrozenState } from "#replica";
import { compareBytes } from "#std";
import { type Bucket, isBehind } from "./bucket";
import { BucketBuilder } from "./bucket-builder";
import type { BucketMap } from "./bucket-map";
import { HashInput, type KeySpace } from "./hashes";
import type { Pace } from "./pace";
import { residentHash } from "./resident-hash";

/** A round that is to be hashed: the state right after its entry. */
export interface FrozenRound {
  readonly round: number;
  readonly frozen: FrozenState;
  readonly resident: ResidentState;
  /** Of BucketMap.frozen(). */
  readonly freeze: number;
}

/** The buckets of a generation in a round. */
export interface SpaceBuckets extends KeySpace {
  readonly buckets: readonly Bucket[];
}

/** A round that was hashed. */
export interface RoundResult {
  readonly root: Uint8Array;
  readonly residentHash: Uint8Array;
  /** In the order of namespace ids. */
  readonly spaces: readonly SpaceBuckets[];
  readonly keys: number;
  readonly buckets: number;
  readonly bucketsHashed: number;
  readonly keysHashed: number;
}

/** A round is given up: the state it was to be made of is gone, or it is not wanted any more. */
export class RoundDropped extends Error {
  constructor() {
    super("the round was given up");
    this.name = "RoundDropped";
  }
}

export interface HashingParts {
  readonly map: BucketMap;
  readonly digest: Digest;
  readonly pace: Pace;
  /** How many keys of unchanged buckets are to be read again. */
  readonly scrubKeys: number;
  readonly isDropped: () => boolean;
}

/**
 * Hashes one round: of each present generation the buckets that are behind, and a share of the others in rotation. The
 * outcome is what hashing all keys would give, as long as the store gives back what was written.
 */
export class RoundHasher {
  private bucketsHashed = 0;
  private keysHashed = 0;

  constructor(
    private readonly input: FrozenRound,
    private readonly parts: HashingParts,
  ) {}

  /** Rejects with RoundDropped, StateReplaced or StoreFailure. */
  async hash(): Promise<RoundResult> {
    const { input, parts } = this;
    const share = scrubShare(parts.map.count().keys, parts.scrubKeys);
    const spaces: SpaceBuckets[] = [];
    for (const { id: namespaceId, generation } of input.resident.namespaces) {
      const space = { namespaceId, generation };
      const before = parts.map.bucketsOf(space);
      // Truncated since the state was frozen: nothing of it is known any more, and the frozen state still has all of it.
      const buckets = await this.hashSpace(space, before ?? [UNKNOWN], share);
      // Not where another state was installed meanwhile: what was found is of the one before.
      this.check();
      if (before !== null) parts.map.hashed(space, buckets);
      spaces.push({ ...space, buckets });
    }
    const resident = await residentHash(parts.digest, input.resident, parts.pace);
    this.check();
    return {
      root: rootOf(parts.digest, spaces, resident),
      residentHash: resident,
      spaces,
      keys: sum(spaces, (bucket) => bucket.keys),
      buckets: sum(spaces, () => 1),
      bucketsHashed: this.bucketsHashed,
      keysHashed: this.keysHashed,
    };
  }

  private async hashSpace(
    space: KeySpace,
    before: readonly Bucket[],
    share: number,
  ): Promise<readonly Bucket[]> {
    const first = Math.floor(((this.input.round % share) * before.length) / share);
    const end = Math.floor((((this.input.round % share) + 1) * before.length) / share);
    const isDue = (at: number): boolean => {
      const bucket = before[at] as Bucket;
      return isBehind(bucket) || (at >= first && at < end) || bucket.hashedAt + 2 * share < this.input.freeze;
    };
    const found: Bucket[] = [];
    for (let at = 0; at < before.length; ) {
      if (!isDue(at)) {
        found.push(before[at] as Bucket);
        at += 1;
        continue;
      }
      const from = at;
      while (at < before.length && isDue(at)) at += 1;
      await this.hashRange(space, found, (before[from] as Bucket).start, before[at]?.start ?? null);
    }
    return found;
  }

  /**
   * Appends the buckets of a range. Where its first key is not there any more, or never was, no bucket starts there: the
   * bucket before it goes on, and is hashed anew together with it.
   */
  private async hashRange(
    space: KeySpace,
    found: Bucket[],
    start: Uint8Array,
    end: Uint8Array | null,
  ): Promise<void> {
    for (let from = start; ; ) {
      const range = await this.bucketsFrom(space, from, end);
      if (range.isStartThere) {
        for (const bucket of range.buckets) found.push(bucket);
        return;
      }
      from = (found.pop() as Bucket).start;
    }
  }

  private async bucketsFrom(
    space: KeySpace,
    start: Uint8Array,
    end: Uint8Array | null,
  ): Promise<{ readonly buckets: readonly Bucket[]; readonly isStartThere: boolean }> {
    const { pace } = this.parts;
    const builder = new BucketBuilder(space, this.input.freeze, this.parts.digest);
    builder.begin(start);
    let isStartThere = start.length === 0;
    this.check();
    for await (const chunk of this.input.frozen.scan({
      ...space,
      start,
      end,
      reverse: false,
      keysOnly: false,
    })) {
      for (const record of chunk) {
        isStartThere ||= compareBytes(record.key, start) === 0;
        if (!isStartThere) break;
        builder.add(record);
        this.keysHashed += 1;
        if (pace.spent(1)) {
          await pace.rest();
          this.check();
        }
      }
      if (!isStartThere) break;
    }
    builder.close();
    if (isStartThere) this.bucketsHashed += builder.buckets.length;
    return { buckets: builder.buckets, isStartThere };
  }

  private check(): void {
    if (this.parts.isDropped()) throw new RoundDropped();
  }
}

const UNKNOWN: Bucket = {
  start: new Uint8Array(0),
  hash: new Uint8Array(0),
  keys: 0,
  hashedAt: 0,
  markedAt: 0,
};

/** In how many rounds all unchanged keys are read once, so that each round reads about as many as asked for. */
export function scrubShare(keys: number, scrubKeys: number): number {
  return Math.max(1, Math.ceil(keys / scrubKeys));
}

/** SHA-256 over the hash of the resident state and, of each bucket, its place, count and hash. */
export function rootOf(digest: Digest, spaces: readonly SpaceBuckets[], resident: Uint8Array): Uint8Array {
  const input = new HashInput().raw(resident);
  for (const { namespaceId, generation, buckets } of spaces) {
    input.number(namespaceId).number(generation).number(buckets.length);
    for (const { start, keys, hash } of buckets) input.text(start).number(keys).raw(hash);
  }
  return digest.sha256([input.take()]);
}

function sum(spaces: readonly SpaceBuckets[], count: (bucket: Bucket) => number): number {
  let total = 0;
  for (const { buckets } of spaces) for (const bucket of buckets) total += count(bucket);
  return total;
}
