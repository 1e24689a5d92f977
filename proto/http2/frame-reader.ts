import { ConnectionError, errorCode, FRAME_BYTES_MAX, FRAME_HEAD_BYTES, flag, frameType } from "./frames";

/** What comes of the bytes of a connection. */
export interface FrameListener {
  /** DATA has begun. @param bytes how many count for the windows @param paddingBytes how many of them are told no more */
  dataBegun(streamId: number, bytes: number, paddingBytes: number): void;
  /** A part of what it carries, which views the chunk. @param isLast whether the stream ends with it */
  data(streamId: number, part: Buffer, isLast: boolean): void;
  /** Any other frame, whole. */
  frame(type: number, flags: number, streamId: number, payload: Buffer): void;
}

/** Takes frames out of the chunks that they come in. */
export class FrameReader {
  private readonly listener: FrameListener;
  /** What has come of a frame that is not whole; null for nothing. */
  private kept: Buffer | null = null;
  /** Of the DATA that is being read: how much is to come, where it belongs, and whether its stream ends with it. */
  private dataLeft = 0;
  private dataStreamId = 0;
  private endsStream = false;
  private isStopped = false;

  constructor(listener: FrameListener) {
    this.listener = listener;
  }

  /** Nothing is told any more. */
  stop(): void {
    this.isStopped = true;
    this.kept = null;
  }

  /** Throws a ConnectionError, and what the listener throws. */
  push(chunk: Buffer): void {
    const bytes = this.kept === null ? chunk : Buffer.concat([this.kept, chunk]);
    this.kept = null;
    let at = 0;
    while (!this.isStopped) {
      if (this.dataLeft > 0) {
        if (at === bytes.length) return;
        at = this.tellData(bytes, at);
        continue;
      }
      if (bytes.length - at < FRAME_HEAD_BYTES) break;
      const length =
        ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
      if (length > FRAME_BYTES_MAX) throw new ConnectionError(errorCode.frameSize, "a frame is too long");
      const type = bytes[at + 3] as number;
      const flags = bytes[at + 4] as number;
      const streamId = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      if (type === frameType.data && (flags & flag.padded) === 0) {
        at += FRAME_HEAD_BYTES;
        this.beginData(streamId, length, (flags & flag.endStream) !== 0);
        continue;
      }
      const end = at + FRAME_HEAD_BYTES + length;
      if (bytes.length < end) break;
      const payload = bytes.subarray(at + FRAME_HEAD_BYTES, end);
      at = end;
      if (type === frameType.data) this.takePadded(streamId, flags, payload);
      else this.listener.frame(type, flags, streamId, payload);
    }
    if (at < bytes.length && !this.isStopped) this.kept = at === 0 ? bytes : bytes.subarray(at);
  }

  /** Not held back until it is whole, for of large messages each chunk would be copied. */
  private beginData(streamId: number, length: number, endsStream: boolean): void {
    this.listener.dataBegun(streamId, length, 0);
    if (length === 0) {
      this.listener.data(streamId, NO_BYTES, endsStream);
      return;
    }
    this.dataLeft = length;
    this.dataStreamId = streamId;
    this.endsStream = endsStream;
  }

  private tellData(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.dataLeft);
    this.dataLeft -= end - at;
    this.listener.data(this.dataStreamId, bytes.subarray(at, end), this.endsStream && this.dataLeft === 0);
    return end;
  }

  private takePadded(streamId: number, flags: number, payload: Buffer): void {
    const part = withoutPadding(payload);
    this.listener.dataBegun(streamId, payload.length, payload.length - part.length);
    this.listener.data(streamId, part, (flags & flag.endStream) !== 0);
  }
}

/** Of a frame with the flag for padding: the length of that first, the padding last. */
export function withoutPadding(payload: Buffer): Buffer {
  const paddingBytes = payload[0];
  if (paddingBytes === undefined || paddingBytes >= payload.length) {
    throw new ConnectionError(errorCode.protocol, "a frame is shorter than its padding");
  }
  return payload.subarray(1, payload.length - paddingBytes);
}

const NO_BYTES = Buffer.alloc(0);
