const PRIME_A = 0x01000193;
const PRIME_B = 0x85ebca6b;

/** A number of 53 bits for one item of a state: equal items give equal numbers, others hardly ever. */
export class ItemHash {
  private a = 0x811c9dc5;
  private b = 0x9747b28c;

  number(value: number): this {
    // Low and high word, for times and revisions may pass 2^32.
    this.word(value | 0);
    this.word(Math.floor(value / 0x1_0000_0000) | 0);
    return this;
  }

  text(text: string): this {
    for (let at = 0; at < text.length; at += 1) this.word(text.charCodeAt(at));
    return this.number(text.length);
  }

  bytes(bytes: Uint8Array): this {
    for (let at = 0; at < bytes.length; at += 1) this.word(bytes[at] as number);
    return this.number(bytes.length);
  }

  get value(): number {
    return (finish(this.b) & 0x1fffff) * 0x1_0000_0000 + finish(this.a);
  }

  private word(word: number): void {
    this.a = Math.imul(this.a ^ word, PRIME_A);
    this.b = Math.imul((this.b << 13) | (this.b >>> 19), 5) ^ Math.imul(word + 0x7feb352d, PRIME_B);
  }
}

function finish(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, PRIME_B);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
