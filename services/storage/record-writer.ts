import { crc32 } from "node:zlib";
import { EMPTY_BYTES } from "#std";
import type { ChainedBatch } from "./database";

/** Of the checksum that ends a stored value. */
export const CRC_BYTES = 4;
const UINT32_SPAN = 2 ** 32;
/** Up to here a loop is faster than a call into the engine. */
const LOOP_BYTES_MAX = 32;

/**
 * Builds one record after another in the same memory and puts it into a batch, which copies it. A record is a key and
 * a value that ends with the CRC-32 of both: so neither a flipped bit nor a value under another's key is taken for good.
 */
export class RecordWriter {
  private memory = new Uint8Array(4096);
  private length = 0;
  private keyLength = 0;
  /** Those that were made last, of a whole record, its key and its value: most records are as long as the one before. */
  private readonly whole = new KeptView();
  private readonly key = new KeptView();
  private readonly value = new KeptView();

  /** Starts the key of the next record. */
  begin(kind: number): this {
    this.length = 0;
    this.keyLength = 0;
    return this.u8(kind);
  }

  /** Starts a value that is not put into a batch. */
  beginRow(): this {
    this.length = 0;
    this.keyLength = 0;
    return this;
  }

  /** What was written since it was begun, in memory that the next record takes. */
  get row(): Uint8Array {
    return this.whole.of(this.memory, 0, this.length);
  }

  /** Since the key or the value was begun. */
  get byteCount(): number {
    return this.length;
  }

  /** What follows is the value. */
  endKey(): this {
    this.keyLength = this.length;
    return this;
  }

  u8(value: number): this {
    this.reserve(1);
    this.memory[this.length] = value;
    this.length += 1;
    return this;
  }

  u32(value: number): this {
    this.reserve(4);
    const { memory, length } = this;
    memory[length] = value >>> 24;
    memory[length + 1] = value >>> 16;
    memory[length + 2] = value >>> 8;
    memory[length + 3] = value;
    this.length = length + 4;
    return this;
  }

  u64(value: number): this {
    this.u32(Math.floor(value / UINT32_SPAN));
    return this.u32(value % UINT32_SPAN);
  }

  /** Seven bits a byte, lowest first; for safe integers from 0. */
  varint(value: number): this {
    this.reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.memory[this.length] = (rest % 0x80) | 0x80;
      this.length += 1;
      rest = Math.floor(rest / 0x80);
    }
    this.memory[this.length] = rest;
    this.length += 1;
    return this;
  }

  optionalVarint(value: number | null): this {
    return value === null ? this.u8(0) : this.u8(1).varint(value);
  }

  bytes(bytes: Uint8Array): this {
    this.reserve(bytes.length);
    const { memory, length } = this;
    if (bytes.length > LOOP_BYTES_MAX) memory.set(bytes, length);
    else for (let at = 0; at < bytes.length; at += 1) memory[length + at] = bytes[at] as number;
    this.length = length + bytes.length;
    return this;
  }

  /** Its length and its UTF-8 bytes. */
  text(text: string): this {
    const bytes = Buffer.from(text, "utf8");
    return this.varint(bytes.length).bytes(bytes);
  }

  /** A copy of the key alone, for reading. */
  takeKey(): Uint8Array {
    return this.memory.slice(0, this.length);
  }

  /** Returns the checksum and the bytes put. */
  putInto(batch: ChainedBatch): { readonly crc: number; readonly bytes: number } {
    const crc = crc32(this.whole.of(this.memory, 0, this.length));
    this.u32(crc);
    batch.put(
      this.key.of(this.memory, 0, this.keyLength),
      this.value.of(this.memory, this.keyLength, this.length),
    );
    return { crc, bytes: this.length };
  }

  /** Puts a value that was begun by itself under a key. @returns the bytes put */
  putUnder(key: Uint8Array, batch: ChainedBatch): number {
    const crc = crc32(this.whole.of(this.memory, 0, this.length), crc32(key));
    this.u32(crc);
    batch.put(key, this.value.of(this.memory, 0, this.length));
    return key.length + this.length;
  }

  /** For a key without a value. */
  deleteFrom(batch: ChainedBatch): number {
    batch.del(this.key.of(this.memory, 0, this.length));
    return this.length;
  }

  private reserve(more: number): void {
    if (this.length + more <= this.memory.length) return;
    const larger = new Uint8Array(Math.max(this.memory.length * 2, this.length + more));
    larger.set(this.memory.subarray(0, this.length));
    this.memory = larger;
  }
}

/** A view of a writer's memory. Nobody keeps one: whoever gets it copies the bytes at once. */
class KeptView {
  private memory = EMPTY_BYTES;
  private from = 0;
  private bytes = EMPTY_BYTES;

  /** The one that was made last where it is the same again. What it is of is kept here: what a typed array says of itself has to be looked up. */
  of(memory: Uint8Array, from: number, to: number): Uint8Array {
    if (memory === this.memory && from === this.from && to - from === this.bytes.length) return this.bytes;
    this.memory = memory;
    this.from = from;
    // Costs a quarter of what a slice of a Buffer does.
    this.bytes = new Uint8Array(memory.buffer, from, to - from);
    return this.bytes;
  }
}

/** The value without its checksum, or null where it is not what was put under that key. A view, no copy. */
export function checkedValue(key: Uint8Array, stored: Uint8Array): Uint8Array | null {
  const end = stored.length - CRC_BYTES;
  if (end < 0) return null;
  const value = new Uint8Array(stored.buffer, stored.byteOffset, end);
  return crc32(value, crc32(key)) === storedCrc(stored) ? value : null;
}

/** Writes the checksum of a key and a value behind the value. */
export function writeCrc(memory: Uint8Array, at: number, crc: number): void {
  memory[at] = crc >>> 24;
  memory[at + 1] = crc >>> 16;
  memory[at + 2] = crc >>> 8;
  memory[at + 3] = crc;
}

/** The checksum that ends a stored value of at least four bytes. */
export function storedCrc(stored: Uint8Array): number {
  const at = stored.length - CRC_BYTES;
  const high = ((stored[at] as number) << 8) | (stored[at + 1] as number);
  return ((high << 16) | ((stored[at + 2] as number) << 8) | (stored[at + 3] as number)) >>> 0;
}
