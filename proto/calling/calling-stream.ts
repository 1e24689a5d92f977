import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { constants } from "node:http2";
import { Status } from "nice-grpc-common";
import { type EndStatus, statusIn, statusOfHttp, statusOfReset } from "./end-status";
import { framed, MessageSplitter, MessageTooLongError } from "./messages";

/** What comes of a stream. Nothing does once it is cancelled. None of it may throw. */
export interface CallingListener {
  /** One of the other side's messages. It views the chunk that it came in: copy what is kept. */
  message(bytes: Buffer): void;
  /** The transport has taken what was written, after it wanted a pause. */
  drained?(): void;
  /** It is over, as the other side says, or as its connection came to its end: told once, and nothing after it. */
  ended(said: EndStatus): void;
}

/** How much may be written before the transport has taken it. */
const WRITE_AHEAD_BYTES_MAX = 1024 * 1024;

/** The calling end of one call of whatever kind: messages as bytes in both directions, and at the end a status. */
export class CallingStream {
  private readonly listener: CallingListener;
  private readonly stream: ClientHttp2Stream;
  private readonly faultOfConnection: () => string | null;
  private readonly splitter: MessageSplitter;
  private said: EndStatus | null = null;
  private fault: Error | null = null;
  private isOver = false;

  /**
   * @param messageBytesMax the longest message that is taken
   * @param faultOfConnection how the connection was lost; null where it was not
   */
  constructor(
    stream: ClientHttp2Stream,
    messageBytesMax: number,
    listener: CallingListener,
    faultOfConnection: () => string | null,
  ) {
    this.stream = stream;
    this.listener = listener;
    this.faultOfConnection = faultOfConnection;
    this.splitter = new MessageSplitter(messageBytesMax);
    stream.on("error", (error) => {
      this.fault ??= error;
    });
    stream.on("response", (headers) => this.onHeaders(headers));
    stream.on("trailers", (trailers) => {
      this.said ??= statusIn(trailers);
    });
    stream.on("data", (chunk: Buffer) => this.take(chunk));
    if (listener.drained !== undefined) {
      stream.on("drain", () => {
        if (!this.isOver) listener.drained?.();
      });
    }
    // This side of the stream may be open still, so it would not be closed by itself. Trailers may be told after the end.
    stream.on("end", () => setImmediate(() => this.conclude()));
    stream.on("close", () => this.conclude());
  }

  /**
   * @param taken called when the transport has taken it, or never will
   * @returns whether the transport has room for more; else `drained` tells
   */
  write(message: Uint8Array, taken?: () => void): boolean {
    if (this.isOver || this.stream.destroyed) {
      if (taken !== undefined) process.nextTick(taken);
      return false;
    }
    this.stream.write(framed(message), taken);
    return this.stream.writableLength < WRITE_AHEAD_BYTES_MAX;
  }

  /** Says that all is said. @param last a message that goes before that */
  end(last?: Uint8Array): void {
    if (this.isOver || this.stream.destroyed) return;
    if (last === undefined) this.stream.end();
    else this.stream.end(framed(last));
  }

  /** Ends the call on both sides; nothing is told any more. Safe to call twice. */
  cancel(): void {
    this.isOver = true;
    if (!this.stream.destroyed) this.stream.close(constants.NGHTTP2_CANCEL);
  }

  /** Takes no more from the connection, so that the other side must wait. Messages of a chunk that has come are told still. */
  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  private onHeaders(headers: IncomingHttpHeaders): void {
    this.said ??= statusIn(headers);
    const httpStatus = Number(headers[":status"]);
    if (this.said === null && httpStatus !== 200) this.said = statusOfHttp(httpStatus);
  }

  private take(chunk: Buffer): void {
    if (this.isOver) return;
    try {
      this.splitter.push(chunk, (message, isCompressed) => {
        if (this.isOver) return;
        if (isCompressed) throw new Error("a message came compressed, which was not asked for");
        this.listener.message(message);
      });
    } catch (error) {
      const code = error instanceof MessageTooLongError ? Status.RESOURCE_EXHAUSTED : Status.INTERNAL;
      this.said = { code, details: (error as Error).message };
      this.conclude();
    }
  }

  private conclude(): void {
    if (this.isOver) return;
    const said = this.said ?? this.statusOfEnd();
    this.cancel();
    this.listener.ended(said);
  }

  private statusOfEnd(): EndStatus {
    const { rstCode } = this.stream;
    const fault =
      this.faultOfConnection() ??
      (rstCode === constants.NGHTTP2_NO_ERROR ? this.fault?.message : null) ??
      null;
    return fault === null
      ? statusOfReset(rstCode)
      : { code: Status.UNAVAILABLE, details: `the connection was lost: ${fault}` };
  }
}
