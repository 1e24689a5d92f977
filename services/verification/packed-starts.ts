/**
 * Where buckets start, packed into one piece of memory: looking for the bucket of a key touches a dozen places, and with an
 * array of its own for each start every one of them would be three misses of the processor's cache.
 */
export class PackedStarts {
  private readonly bytes: Uint8Array;
  private readonly offsets: Uint32Array;

  /** @param buckets in the order of their starts, the first of which is empty */
  constructor(buckets: readonly { readonly start: Uint8Array }[]) {
    this.offsets = new Uint32Array(buckets.length + 1);
    let length = 0;
    for (const [at, { start }] of buckets.entries()) {
      this.offsets[at] = length;
      length += start.length;
    }
    this.offsets[buckets.length] = length;
    this.bytes = new Uint8Array(length);
    for (const [at, { start }] of buckets.entries()) this.bytes.set(start, this.offsets[at]);
  }

  /** The position of the bucket that a key belongs to. */
  find(key: Uint8Array): number {
    const { bytes, offsets } = this;
    let low = 1;
    let high = offsets.length - 1;
    // Keys that follow on one another begin alike: what the nearest starts on both sides share with the key, those between share too.
    let sharedBefore = 0;
    let sharedBehind = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const from = offsets[middle] as number;
      const length = (offsets[middle + 1] as number) - from;
      const end = Math.min(length, key.length);
      let shared = Math.min(sharedBefore, sharedBehind);
      while (shared < end && bytes[from + shared] === key[shared]) shared += 1;
      const isBehind =
        shared < end ? (bytes[from + shared] as number) > (key[shared] as number) : length > key.length;
      if (isBehind) {
        high = middle;
        sharedBehind = shared;
      } else {
        low = middle + 1;
        sharedBefore = shared;
      }
    }
    return low - 1;
  }
}
