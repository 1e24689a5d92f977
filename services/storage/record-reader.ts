import { asInteger, assert } from "#std";

const UINT32_SPAN = 2 ** 32;

/** Reads what RecordWriter wrote. The bytes passed their checksum, so a reader that runs past them met a bug of ours. */
export class RecordReader {
  private at: number;

  constructor(
    private readonly source: Uint8Array,
    from = 0,
  ) {
    this.at = from;
  }

  /** Of what is read next. */
  get position(): number {
    return this.at;
  }

  get isAtEnd(): boolean {
    return this.at === this.source.length;
  }

  u8(): number {
    const byte = this.source[this.at];
    assert(byte !== undefined, "a record is as long as its fields");
    this.at += 1;
    return byte;
  }

  u32(): number {
    return ((this.u8() << 24) | (this.u8() << 16) | (this.u8() << 8) | this.u8()) >>> 0;
  }

  u64(): number {
    return asInteger(this.u32() * UINT32_SPAN + this.u32());
  }

  varint(): number {
    let value = 0;
    let weight = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) return value;
      weight *= 0x80;
    }
  }

  optionalVarint(): number | null {
    return this.u8() === 0 ? null : this.varint();
  }

  text(): string {
    const { buffer, byteOffset, byteLength } = this.bytes(this.varint());
    return Buffer.from(buffer, byteOffset, byteLength).toString("utf8");
  }

  /** The next so many, as a view. */
  bytes(length: number): Uint8Array {
    const from = this.at;
    this.at += length;
    assert(this.at <= this.source.length, "a record is as long as its fields");
    return new Uint8Array(this.source.buffer, this.source.byteOffset + from, length);
  }

  /** What is left, as a view. */
  rest(): Uint8Array {
    const { buffer, byteOffset, length } = this.source;
    return new Uint8Array(buffer, byteOffset + this.at, length - this.at);
  }
}
