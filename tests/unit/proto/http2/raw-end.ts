import type { Socket } from "node:net";
import { FrameReader } from "../../../../proto/http2/frame-reader";
import { HeaderDecoder } from "../../../../proto/http2/header-decoder";
import type { Headers } from "../../../../proto/http2/headers";
import { eventually } from "../../../support/eventually";
import { frame, SETTINGS } from "../../grpc/http2-frames";

/** A frame as it came. */
export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** An end of a connection that says what it is told to, and keeps the frames that come. */
export class RawEnd {
  readonly frames: SeenFrame[] = [];
  isClosed = false;
  protected readonly socket: Socket;
  private readonly decoder = new HeaderDecoder();

  /** @param ahead how many bytes come before the frames, and are none */
  constructor(socket: Socket, ahead = 0) {
    this.socket = socket;
    const reader = new FrameReader({
      dataBegun: () => {},
      data: (streamId, payload, isLast) => {
        this.frames.push({ type: 0, flags: isLast ? 1 : 0, streamId, payload: Buffer.from(payload) });
      },
      frame: (type, flags, streamId, payload) =>
        this.frames.push({ type, flags, streamId, payload: Buffer.from(payload) }),
    });
    let skipped = 0;
    this.socket.on("data", (chunk: Buffer) => {
      const skip = Math.min(ahead - skipped, chunk.length);
      skipped += skip;
      reader.push(chunk.subarray(skip));
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.isClosed = true;
    });
  }

  say(...parts: readonly Buffer[]): this {
    this.socket.write(Buffer.concat(parts));
    return this;
  }

  /** Says nothing more. */
  end(): void {
    this.socket.end();
  }

  close(): void {
    this.socket.destroy();
  }

  stopReading(): void {
    this.socket.pause();
  }

  /** The next frame of a type on a stream, as soon as it is there; each is given once. */
  async next(type: number, streamId: number): Promise<SeenFrame> {
    const at = await eventually(`a frame of type ${type} on stream ${streamId}`, () => {
      const found = this.frames.findIndex((seen) => seen.type === type && seen.streamId === streamId);
      return found >= 0 ? { found } : null;
    });
    return this.frames.splice(at.found, 1)[0] as SeenFrame;
  }

  /** What a block says; all blocks of a connection are to be asked for, in their order. */
  decode(block: Buffer): Headers {
    return this.decoder.decode(block);
  }

  /** The bytes of data that have come on a stream. */
  received(streamId: number): number {
    return this.frames.reduce(
      (sum, { type, streamId: id, payload }) => (type === 0 && id === streamId ? sum + payload.length : sum),
      0,
    );
  }
}

/** @param values pairs of a number of 16 bits and one of 32 */
export function settings(values: readonly (readonly [number, number])[] = []): Buffer {
  const payload = Buffer.alloc(values.length * 6);
  values.forEach(([id, value], nth) => {
    payload.writeUInt16BE(id, nth * 6);
    payload.writeUInt32BE(value, nth * 6 + 2);
  });
  return frame(SETTINGS, 0, 0, payload);
}
