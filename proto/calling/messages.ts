import { KeptParts } from "@quorate/proto/http2";

/** A flag that says whether the message is compressed, and its length. */
const PREFIX_BYTES = 5;

/** A message as gRPC sends it: not compressed, behind its length. */
export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  writePrefix(bytes, message.length);
  bytes.set(message, PREFIX_BYTES);
  return bytes;
}

const prefix = Buffer.alloc(PREFIX_BYTES);

/** What goes before a message that is not compressed; it holds until the next one is asked for. */
export function prefixOf(message: Uint8Array): Buffer {
  writePrefix(prefix, message.length);
  return prefix;
}

function writePrefix(bytes: Buffer, length: number): void {
  bytes[0] = 0;
  bytes[1] = length >>> 24;
  bytes[2] = length >>> 16;
  bytes[3] = length >>> 8;
  bytes[4] = length;
}

/** Said of a message that is longer than is taken, before any of it is kept. */
export class MessageTooLongError extends Error {
  override readonly name = "MessageTooLongError";

  constructor(bytes: number, bytesMax: number) {
    super(`Received message larger than max (${bytes} vs ${bytesMax})`);
  }
}

/** Said of a message whose flag for compression is none that gRPC has. */
export class FlagError extends Error {
  override readonly name = "FlagError";

  constructor(flag: number) {
    super(`Received message with compression flag ${flag}, which is neither 0 nor 1`);
  }
}

/** Takes the messages of one direction of a stream out of the chunks that they come in. */
export class MessageSplitter {
  private readonly bytesMax: number;
  /** Of the message that has begun: how much of its prefix has come, and what that says. */
  private prefixLength = 0;
  private flag = 0;
  private length = 0;
  /** As far as it has come: no room is made for what is only promised. */
  private kept: KeptParts | null = null;

  /** @param bytesMax the longest message that is taken */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Whether nothing of a message is kept. */
  get isBetweenMessages(): boolean {
    return this.prefixLength === 0;
  }

  /** How much of a message that is not whole is kept. */
  get keptBytes(): number {
    return this.kept === null ? 0 : this.kept.length;
  }

  /** Nothing of it is kept any more. Nothing may be pushed then. */
  drop(): void {
    this.kept = null;
  }

  /**
   * @param take given each message that is whole now; it views the chunk where it came in one piece
   * @throws MessageTooLongError, FlagError, and what `take` throws
   */
  push(chunk: Buffer, take: (message: Buffer, isCompressed: boolean) => void): void {
    let at = 0;
    while (at < chunk.length) {
      at += this.readPrefix(chunk, at);
      if (this.prefixLength < PREFIX_BYTES) return;
      const { flag, length } = this;
      if (flag > 1) throw new FlagError(flag);
      if (length > this.bytesMax) throw new MessageTooLongError(length, this.bytesMax);
      const part = chunk.subarray(at, at + length - this.keptBytes);
      at += part.length;
      if (this.keptBytes + part.length < length) {
        if (part.length > 0) this.keep(part);
        return;
      }
      const message = this.kept === null || this.kept.length === 0 ? part : this.kept.takeWith(part);
      this.prefixLength = 0;
      take(message, flag === 1);
    }
  }

  private keep(part: Buffer): void {
    this.kept ??= new KeptParts();
    this.kept.push(part);
  }

  /** @returns how many bytes of the chunk belong to it */
  private readPrefix(chunk: Buffer, from: number): number {
    const length = Math.min(PREFIX_BYTES - this.prefixLength, chunk.length - from);
    for (let at = from; at < from + length; at += 1) {
      const byte = chunk[at] as number;
      if (this.prefixLength === 0) {
        this.flag = byte;
        this.length = 0;
      } else {
        this.length = this.length * 256 + byte;
      }
      this.prefixLength += 1;
    }
    return length;
  }
}
