/** A block is 32 bytes, in one line of the processor's cache: a bit in each of its words stands for a key. */
const WORDS_PER_BLOCK = 8;
/** So many keys a block make one of a hundred be found that was never added: 10.7 bits each. */
const KEYS_PER_BLOCK = 24;

/** Of the number of blocks, in bits. */
export interface FilterBounds {
  readonly min: number;
  readonly max: number;
}

/**
 * From 1 MiB, for 786,000 keys, to 16 MiB, for twelve million; of more of them more and more are found that were never
 * added.
 */
const BLOCK_BITS: FilterBounds = { min: 15, max: 19 };

/** One for each word: those of the split block Bloom filters of Apache Parquet. */
const SALTS = Int32Array.of(
  0x47b6137b,
  0x44974d91,
  0x8824ad5b,
  0xa2b7289d,
  0x705495c7,
  0x2df1424b,
  0x9efc4947,
  0x5c6bfb31,
);

/**
 * Tells of most hashes that were never added that they were not, and of none that was: a Bloom filter in blocks (Putze,
 * Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters"). Nothing can be taken out of it.
 */
export class KeyFilter {
  private readonly blockBits: number;
  private readonly words: Int32Array;
  private count = 0;

  /** @param keysWanted for which it has room, within its least and its greatest size */
  constructor(keysWanted: number, { min, max }: FilterBounds = BLOCK_BITS) {
    const bits = Math.ceil(Math.log2(Math.max(1, keysWanted / KEYS_PER_BLOCK)));
    this.blockBits = Math.min(max, Math.max(min, bits));
    this.words = new Int32Array(2 ** this.blockBits * WORDS_PER_BLOCK);
  }

  /** Of those that were added, about: those that it did not seem to have. */
  get keyCount(): number {
    return this.count;
  }

  /** With more of them it is of less use. */
  get keyCountMax(): number {
    return 2 ** this.blockBits * KEYS_PER_BLOCK;
  }

  /** @param hash 32 bits, unsigned */
  add(hash: number): void {
    const { words } = this;
    const block = (hash >>> (32 - this.blockBits)) * WORDS_PER_BLOCK;
    let isNew = false;
    for (let at = 0; at < WORDS_PER_BLOCK; at += 1) {
      const word = words[block + at] as number;
      const marked = word | (1 << (Math.imul(hash, SALTS[at] as number) >>> 27));
      if (marked === word) continue;
      words[block + at] = marked;
      isNew = true;
    }
    if (isNew) this.count += 1;
  }

  /** False of what was never added. */
  mayHave(hash: number): boolean {
    const { words } = this;
    const block = (hash >>> (32 - this.blockBits)) * WORDS_PER_BLOCK;
    for (let at = 0; at < WORDS_PER_BLOCK; at += 1) {
      const bit = 1 << (Math.imul(hash, SALTS[at] as number) >>> 27);
      if (((words[block + at] as number) & bit) === 0) return false;
    }
    return true;
  }
}
