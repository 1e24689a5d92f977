/** Thrown where bytes of LevelDB are not what its format says. */
export class MalformedBytes extends Error {}

/** Reads LevelDB's own encoding (doc/table_format.md, util/coding.cc): little-endian, varints with the lowest bits first. */
export class LevelBytes {
  at: number;

  constructor(
    readonly bytes: Uint8Array,
    from = 0,
    readonly end = bytes.length,
  ) {
    this.at = from;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  u8(): number {
    if (this.at >= this.end) throw new MalformedBytes("it ends too early");
    const byte = this.bytes[this.at] as number;
    this.at += 1;
    return byte;
  }

  u32(): number {
    return (this.u8() | (this.u8() << 8) | (this.u8() << 16) | (this.u8() << 24)) >>> 0;
  }

  varint(): number {
    let value = 0;
    for (let weight = 1; weight <= 2 ** 63; weight *= 0x80) {
      const byte = this.u8();
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) return value;
    }
    throw new MalformedBytes("a number is too long");
  }

  skip(count: number): void {
    if (count > this.end - this.at) throw new MalformedBytes("it ends too early");
    this.at += count;
  }

  /** A length and so many bytes. */
  skipSlice(): void {
    this.skip(this.varint());
  }
}
