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
    let low = 1;
    let high = this.offsets.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.isBehind(middle, key)) high = middle;
      else low = middle + 1;
    }
    return low - 1;
  }

  /** Whether that bucket starts behind the key. */
  private isBehind(at: number, key: Uint8Array): boolean {
    const { bytes } = this;
    const from = this.offsets[at] as number;
    const length = (this.offsets[at + 1] as number) - from;
    const shared = Math.min(length, key.length);
    for (let next = 0; next < shared; next += 1) {
      const difference = (bytes[from + next] as number) - (key[next] as number);
      if (difference !== 0) return difference > 0;
    }
    return length > key.length;
  }
}
