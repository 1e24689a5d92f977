import { compareBytes, EMPTY_BYTES, hash32 } from "#std";

/** About how many keys a bucket has. */
export const KEYS_PER_BUCKET = 128;

/**
 * A range of keys up to the start of the next bucket of its generation. Where a bucket starts depends on the keys that are
 * there and on nothing else: at the first key of all, and at each key whose hash is divided by KEYS_PER_BUCKET. So equal
 * sets of keys are in equal buckets, whatever happened before.
 */
export interface Bucket {
  /** Inclusive; empty for the first one. */
  readonly start: Uint8Array;
  /** Over its records in order, 32 bytes; empty before it was first hashed. */
  readonly hash: Uint8Array;
  readonly keys: number;
  /** The freeze whose state it was hashed from; 0 for none. Freezes are counted from 1. */
  readonly hashedAt: number;
  /** The last freeze before a key of it was written; -1 for none. It is behind where this is not below hashedAt. */
  markedAt: number;
}

export function startsBucket(key: Uint8Array): boolean {
  return hash32(key) % KEYS_PER_BUCKET === 0;
}

/** Of a generation that nothing is known of. */
export function unknownBucket(): Bucket {
  return { start: EMPTY_BYTES, hash: EMPTY_BYTES, keys: 0, hashedAt: 0, markedAt: 0 };
}

export function isBehind(bucket: Bucket): boolean {
  return bucket.markedAt >= bucket.hashedAt;
}

/** The position of the bucket that a key belongs to. The first one starts at the empty key. */
export function bucketOf(buckets: readonly { readonly start: Uint8Array }[], key: Uint8Array): number {
  let low = 1;
  let high = buckets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes((buckets[middle] as { readonly start: Uint8Array }).start, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
