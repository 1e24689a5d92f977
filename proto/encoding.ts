import { getTextEncoding } from "@bufbuild/protobuf/wire";
import type { SharedMemory } from "./shared-memory";

/*
 * The wire format of Protobuf for the few messages that are encoded and decoded by hand, because they come with every call.
 * A field that has its default value is left out, as the generated code does it.
 */

/** An integer field: a safe integer from 0 on, or any int64. */
export type Count = number | bigint;

/** The tag of a field of at most 15, which is one byte. */
export function countTag(field: number): number {
  return checkedTag(field << 3);
}

/** The same of a field of bytes, text or a message. */
export function bytesTag(field: number): number {
  return checkedTag((field << 3) | 2);
}

function checkedTag(tag: number): number {
  if (tag >= 0x80) throw new RangeError("a tag is one byte here");
  return tag;
}

const EMPTY_BYTES: Uint8Array = new Uint8Array(0);
const MEMORY_BYTES_MIN = 4 * 1024;
/** A message that took more takes its memory along, so that one large message is not paid for ever after. */
const MEMORY_BYTES_KEPT = 512 * 1024;
/** Of a hundred small messages, such as come in one frame. */
const SHARED_BYTES = 32 * 1024;
/** For the fields that are yet to come of a message that is large by one. */
const SLACK_BYTES = 1024;
/** Up to here a loop is faster than a call into the engine. */
const LOOP_BYTES_MAX = 32;

/**
 * Writes a message from its end to its start, so that the length of what is nested is known when it is to be written: its
 * fields are given in falling order. Memory is kept from message to message.
 *
 * What a writer hands out is in memory of its own; or, where it is made for messages that come and go together, as the commands
 * of a batch do, left where it was written, beside the others. To copy each takes as long as to write it, and V8 keeps account
 * of each piece of memory.
 */
export class MessageWriter {
  private memory: Uint8Array;
  /** The memory's: to ask for it is a call out of compiled code. */
  private buffer: ArrayBufferLike;
  /** From here on the memory is written, up to where the message ends. */
  private at: number;
  private end: number;
  private readonly isShared: boolean;

  /** @param sharedBytes of a piece of memory for messages that come together, as long as any of them is held */
  constructor(
    messages: "own" | "together" = "own",
    private readonly sharedBytes = SHARED_BYTES,
  ) {
    this.isShared = messages === "together";
    this.memory = new Uint8Array(this.isShared ? sharedBytes : MEMORY_BYTES_MIN);
    this.buffer = this.memory.buffer;
    this.at = this.memory.length;
    this.end = this.at;
  }

  /** Forgets what an earlier message left behind. */
  begin(): this {
    if (!this.isShared) this.at = this.memory.length;
    else if (this.memory.length > this.sharedBytes) this.take(new Uint8Array(this.sharedBytes));
    this.end = this.at;
    return this;
  }

  finish(): Uint8Array {
    const { memory, at } = this;
    if (this.isShared) return new Uint8Array(this.buffer, at, this.end - at);
    if (memory.length <= MEMORY_BYTES_KEPT) return memory.slice(at);
    this.take(new Uint8Array(MEMORY_BYTES_MIN));
    return memory.subarray(at);
  }

  /** How much is written so far: see message(). */
  get length(): number {
    return this.end - this.at;
  }

  /** Makes all that was written since the length was `from` a nested message; also an empty one. */
  message(tag: number, from: number): this {
    this.varint(this.length - from);
    return this.byte(tag);
  }

  bytes(tag: number, bytes: Uint8Array): this {
    if (bytes.length === 0) return this;
    this.raw(bytes).varint(bytes.length);
    return this.byte(tag);
  }

  /** Bytes as they are, such as fields that were encoded before. */
  raw(bytes: Uint8Array): this {
    const { length } = bytes;
    this.reserve(length);
    this.at -= length;
    if (length > LOOP_BYTES_MAX) {
      this.memory.set(bytes, this.at);
    } else {
      const { memory, at } = this;
      for (let offset = 0; offset < length; offset += 1) memory[at + offset] = bytes[offset] as number;
    }
    return this;
  }

  text(tag: number, text: string): this {
    const { length } = text;
    if (length === 0) return this;
    this.reserve(length);
    const { memory } = this;
    const start = this.at - length;
    for (let offset = 0; offset < length; offset += 1) {
      const unit = text.charCodeAt(offset);
      if (unit >= 0x80) return this.bytes(tag, getTextEncoding().encodeUtf8(text));
      memory[start + offset] = unit;
    }
    this.at = start;
    this.varint(length);
    return this.byte(tag);
  }

  flag(tag: number, flag: boolean): this {
    return flag ? this.byte(1).byte(tag) : this;
  }

  count(tag: number, count: Count): this {
    return count ? this.presentCount(tag, count) : this;
  }

  /** An optional field, which is written whatever its value. */
  optionalCount(tag: number, count: Count | undefined): this {
    return count === undefined ? this : this.presentCount(tag, count);
  }

  private presentCount(tag: number, count: Count): this {
    if (typeof count === "number") this.varint(count);
    else if (count >= 0n && count <= MAX_SAFE) this.varint(Number(count));
    else this.int64(count);
    return this.byte(tag);
  }

  private byte(byte: number): this {
    this.reserve(1);
    this.at -= 1;
    this.memory[this.at] = byte;
    return this;
  }

  private varint(value: number): this {
    if (value < 0x80) return this.byte(value);
    const length = varintLength(value);
    this.reserve(length);
    this.at -= length;
    const { memory } = this;
    let at = this.at;
    let rest = value;
    if (value >= LOW_SPAN) {
      rest = Math.floor(value / LOW_SPAN);
      const low = value - rest * LOW_SPAN;
      memory[at] = (low & 0x7f) | 0x80;
      memory[at + 1] = ((low >>> 7) & 0x7f) | 0x80;
      memory[at + 2] = ((low >>> 14) & 0x7f) | 0x80;
      memory[at + 3] = (low >>> 21) | 0x80;
      at += 4;
    }
    while (rest >= 0x80) {
      memory[at] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
      at += 1;
    }
    memory[at] = rest;
    return this;
  }

  /** Of those that no number can stand for. */
  private int64(value: bigint): this {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, value);
    for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
    return this.raw(Uint8Array.from(bytes));
  }

  private reserve(more: number): void {
    if (this.at >= more) return;
    const { memory, at, end, length } = this;
    const bytesMin = this.isShared ? this.sharedBytes : memory.length * 2;
    const isLarge = length + more > bytesMin;
    this.take(new Uint8Array(isLarge ? 2 * length + more + SLACK_BYTES : bytesMin));
    this.at -= length;
    this.memory.set(memory.subarray(at, end), this.at);
  }

  private take(memory: Uint8Array): void {
    this.memory = memory;
    this.buffer = memory.buffer;
    this.at = memory.length;
    this.end = this.at;
  }
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
/** Four bytes of a varint. What a safe integer has above them are 25 bits: so neither part needs a remainder of doubles, which is a call. */
const LOW_SPAN = 2 ** 28;

function varintLength(value: number): number {
  if (value < 2 ** 14) return 2;
  if (value < 2 ** 21) return 3;
  if (value < 2 ** 28) return 4;
  if (value < 2 ** 35) return 5;
  if (value < 2 ** 42) return 6;
  return value < 2 ** 49 ? 7 : 8;
}

/**
 * Reads what is as plain as nearly every message: fields that are known, lengths that fit, integers from 0 on that a number
 * holds, texts of ASCII. At anything else it gives up (`isPlain`), and the generated code is to decode the message, or to say
 * what is wrong with it: so the two cannot differ in the odd cases.
 */
export class MessageReader {
  private source: Uint8Array = EMPTY_BYTES;
  private at = 0;
  private end = 0;
  private isOdd = false;
  /** What bytes() views: the source, or what holds a copy of a part of it. Its first byte stands for the source's `viewedFrom`. */
  private viewed: Uint8Array = EMPTY_BYTES;
  private viewedFrom = 0;
  /** Its memory, and where in that the source's first byte would lie; null until it is asked for, as one for each message is a call. */
  private viewedBuffer: ArrayBufferLike | null = null;
  private viewedAt = 0;

  begin(source: Uint8Array): this {
    this.source = source;
    this.at = 0;
    this.end = source.length;
    this.isOdd = false;
    this.viewed = source;
    this.viewedFrom = 0;
    this.viewedBuffer = null;
    return this;
  }

  /** Whether all that was asked for could be read. Lets go of the bytes. */
  finish(): boolean {
    this.source = EMPTY_BYTES;
    this.viewed = EMPTY_BYTES;
    this.viewedBuffer = null;
    return !this.isOdd;
  }

  get hasMore(): boolean {
    return this.at < this.end;
  }

  /** Of the next field; one of more than a byte is of none that is read here. */
  tag(): number {
    const tag = this.source[this.at] as number;
    this.at += 1;
    return tag;
  }

  /** The next field is not known here. */
  giveUp(): void {
    this.isOdd = true;
    this.end = 0;
    this.at = this.source.length;
  }

  flag(): boolean {
    return this.count() !== 0;
  }

  /** The same as an int64 of the generated code. */
  int64(): bigint {
    const count = this.count();
    return count === 0 ? 0n : BigInt(count);
  }

  count(): number {
    const { source, end } = this;
    let value = 0;
    let weight = 1;
    for (let { at } = this; at < end && weight <= 2 ** 49; at += 1) {
      const byte = source[at] as number;
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) {
        this.at = at + 1;
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      weight *= 0x80;
    }
    this.giveUp();
    return 0;
  }

  /** A view, of the source unless copied() says otherwise. */
  bytes(): Uint8Array {
    const length = this.count();
    const start = this.at;
    if (start + length > this.end) {
      this.giveUp();
      return EMPTY_BYTES;
    }
    this.at = start + length;
    if (this.viewedBuffer === null) this.look();
    return new Uint8Array(this.viewedBuffer as ArrayBufferLike, this.viewedAt + start, length);
  }

  /**
   * Has bytes() view a copy of what is left of the message that was entered. Those that follow on one another share one of so many
   * bytes, which costs less than one for each; where more than `ownBytesMin` is left it has one of its own.
   */
  copied(sharedBytes: number, ownBytesMin: number): void {
    const { source, at, end, viewed, viewedFrom } = this;
    const isLong = end - at > ownBytesMin;
    if (!isLong && viewed !== source && end <= viewedFrom + viewed.length) return;
    const copyEnd = isLong ? end : Math.min(at + sharedBytes, source.length);
    this.viewed = new Uint8Array(source.subarray(at, copyEnd));
    this.viewedFrom = at;
    this.viewedBuffer = null;
  }

  /** Has bytes() view a copy of what is left of the message that was entered. */
  copiedTo(memory: SharedMemory): void {
    if (this.isOdd) return;
    const { source, at, end } = this;
    const start = memory.copy(source, at, end);
    this.viewed = memory.latest;
    this.viewedFrom = at - start;
    this.viewedBuffer = null;
  }

  private look(): void {
    const { viewed, viewedFrom } = this;
    this.viewedBuffer = viewed.buffer;
    this.viewedAt = viewed.byteOffset - viewedFrom;
  }

  text(): string {
    const length = this.count();
    const start = this.at;
    if (start + length > this.end) {
      this.giveUp();
      return "";
    }
    const { source } = this;
    let text = "";
    for (let at = start; at < start + length; at += 1) {
      const unit = source[at] as number;
      if (unit >= 0x80) {
        this.giveUp();
        return "";
      }
      text += String.fromCharCode(unit);
    }
    this.at = start + length;
    return text;
  }

  /** A text that mostly is the one that was read before. */
  repeatedText(before: string): string {
    const start = this.at;
    const length = this.count();
    const { source, at } = this;
    if (length !== before.length || at + length > this.end) {
      this.at = this.isOdd ? this.at : start;
      return this.text();
    }
    for (let offset = 0; offset < length; offset += 1) {
      if (source[at + offset] !== before.charCodeAt(offset)) {
        this.at = start;
        return this.text();
      }
    }
    this.at = at + length;
    return before;
  }

  /** Goes into a nested message. @returns where the message around it ends, for leave() */
  enter(): number {
    const length = this.count();
    const { end } = this;
    if (this.at + length > end) {
      this.giveUp();
      return 0;
    }
    this.end = this.at + length;
    return end;
  }

  leave(end: number): void {
    if (!this.isOdd) this.end = end;
  }
}
