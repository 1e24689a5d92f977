import { connect, type Socket } from "node:net";
import { FrameReader } from "../../../../proto/http2/frame-reader";
import { HeaderDecoder } from "../../../../proto/http2/header-decoder";
import type { Headers } from "../../../../proto/http2/headers";
import { eventually } from "../../../support/eventually";
import { frame, PREFACE, SETTINGS } from "../../grpc/http2-frames";

/** A frame as it came. */
export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** A caller that says what it is told to, and keeps what comes. */
export class RawCaller {
  readonly frames: SeenFrame[] = [];
  isClosed = false;
  private readonly socket: Socket;
  private readonly decoder = new HeaderDecoder();

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    const reader = new FrameReader({
      dataBegun: () => {},
      data: (streamId, payload, isLast) => {
        this.frames.push({ type: 0, flags: isLast ? 1 : 0, streamId, payload: Buffer.from(payload) });
      },
      frame: (type, flags, streamId, payload) =>
        this.frames.push({ type, flags, streamId, payload: Buffer.from(payload) }),
    });
    this.socket.on("data", (chunk: Buffer) => reader.push(chunk));
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.isClosed = true;
    });
  }

  /** Says what each connection begins with. @param settings pairs of a number of 16 bits and one of 32 */
  begin(settings: readonly (readonly [number, number])[] = []): this {
    const payload = Buffer.alloc(settings.length * 6);
    settings.forEach(([id, value], nth) => {
      payload.writeUInt16BE(id, nth * 6);
      payload.writeUInt32BE(value, nth * 6 + 2);
    });
    return this.say(PREFACE, frame(SETTINGS, 0, 0, payload));
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
