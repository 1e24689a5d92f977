import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { status } from "@grpc/grpc-js";
import { FlagError, framed, MessageSplitter, MessageTooLongError } from "@quorate/proto/calling";
import { assert } from "#std";
import { decompressed, ENCODINGS } from "./compression";
import type { Outflow } from "./outflow";
import { type CallStatus, OK_TRAILERS, trailersOf } from "./status";
import { timeoutMs } from "./timeout";

/** What comes of a call. None of it may throw. */
export interface CallListener {
  /** One of the caller's messages. It views the chunk that it came in: copy what is kept. */
  message(bytes: Buffer): void;
  /** The caller has said all. */
  end(): void;
  /** Nobody waits for an answer any more, and not because it was given: told once, and nothing after it. */
  cancelled(): void;
  /** The transport has taken what was written, after it wanted a pause. */
  drained?(): void;
}

/** The connection that a call came by. */
export interface CallOrigin {
  /** host:port of the caller. */
  readonly peer: string;
  readonly messageBytesMax: number;
  readonly outflow: Outflow;
  /** A message of a call was refused before its handler saw it. */
  readonly onRefused?: ((call: ServerCall, why: string) => void) | undefined;
}

/** How much may be written before the transport has taken it. */
const WRITE_AHEAD_BYTES_MAX = 256 * 1024;

/** Beyond this many milliseconds a timer of Node fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

const RESPONSE_HEADERS: OutgoingHttpHeaders = {
  ":status": 200,
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": ENCODINGS,
};

const WITH_TRAILERS = { waitForTrailers: true };

/** One call as its server sees it: messages as bytes in both directions, and at the end a status. */
export class ServerCall {
  /** Such as "/quorate.kv.v1.KvService/Put". */
  readonly path: string;
  /** host:port of the caller. */
  readonly peer: string;
  /** As Date.now() counts; infinite where the caller sets none, NaN where what it says is none. Nothing ends at it by itself: see endAtDeadline. */
  readonly deadlineMs: number;
  private readonly stream: ServerHttp2Stream;
  private readonly headers: IncomingHttpHeaders;
  private readonly splitter: MessageSplitter;
  private readonly messageBytesMax: number;
  private readonly outflow: Outflow;
  private readonly onRefused: CallOrigin["onRefused"];
  /** Of what was written, and of that what the transport has not taken. */
  private unsentBytes = 0;
  private listener: CallListener | null = null;
  private timer: NodeJS.Timeout | undefined;
  private hasResponded = false;
  private isOver = false;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    { peer, messageBytesMax, outflow, onRefused }: CallOrigin,
  ) {
    this.stream = stream;
    this.headers = headers;
    this.path = headers[":path"] ?? "";
    this.peer = peer;
    this.messageBytesMax = messageBytesMax;
    this.outflow = outflow;
    this.onRefused = onRefused;
    this.splitter = new MessageSplitter(messageBytesMax);
    const timeout = this.header("grpc-timeout");
    const leftMs = timeout === null ? Number.POSITIVE_INFINITY : timeoutMs(timeout);
    this.deadlineMs = leftMs === null ? Number.NaN : Date.now() + leftMs;
  }

  /** Whether the answer was given, or nobody waits for it any more. */
  get hasEnded(): boolean {
    return this.isOver || this.isGone;
  }

  /** The stream may have been reset a while before it says that it is closed, and ends as if its caller had said all. */
  private get isGone(): boolean {
    return this.stream.destroyed || this.stream.closed;
  }

  getPeer(): string {
    return this.peer;
  }

  /** What the caller says beside its messages under a key in lower case, or null. */
  header(name: string): string | null {
    const value = this.headers[name];
    if (value === undefined) return null;
    return typeof value === "string" ? value : value.join(", ");
  }

  /** Begins to read; once, in the turn in which its handler is given the call. */
  listen(listener: CallListener): void {
    assert(this.listener === null, "a call has one listener");
    this.listener = listener;
    const { stream } = this;
    stream.on("data", (chunk: Buffer) => this.take(chunk));
    stream.on("end", () => this.takeEnd());
    stream.on("close", () => {
      this.took(this.unsentBytes);
      this.outflow.forget(this.tellDrained);
      this.leave();
    });
    if (listener.drained !== undefined) stream.on("drain", this.tellDrained);
  }

  /** From now on the call ends with DEADLINE_EXCEEDED at its deadline. */
  endAtDeadline(): void {
    const waitMs = this.deadlineMs - Date.now();
    if (this.isOver || !(waitMs <= TIMER_MS_MAX)) return;
    const exceeded = { code: status.DEADLINE_EXCEEDED, details: "Deadline exceeded" };
    this.timer = setTimeout(() => this.breakOff(exceeded), waitMs);
  }

  /** Takes no more from the connection, so that the caller must wait. Messages of a chunk that has come are told still. */
  pause(): void {
    if (!this.isOver) this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  /**
   * @param flushed called when the transport has taken it, or never will
   * @returns whether the transport has room for more; else `drained` tells
   */
  write(message: Uint8Array, flushed?: () => void): boolean {
    if (this.hasEnded) {
      if (flushed !== undefined) process.nextTick(flushed);
      return false;
    }
    this.respond();
    const bytes = framed(message);
    const { length } = bytes;
    this.wrote(length);
    this.stream.write(bytes, () => {
      this.took(length);
      flushed?.();
    });
    if (!this.outflow.isFull) return this.hasRoom;
    if (this.listener?.drained !== undefined) this.outflow.whenRoom(this.tellDrained);
    return false;
  }

  /**
   * For who writes by `flushed`: whether all calls of the connection together have so much under way that this one is to wait.
   *
   * @returns null where it need not; else resolves when it may look again, or the call has ended
   */
  room(): Promise<void> | null {
    const { outflow, stream } = this;
    if (!outflow.isFull || this.hasEnded) return null;
    return new Promise((resolve) => {
      const goOn = (): void => {
        outflow.forget(goOn);
        stream.removeListener("close", goOn);
        resolve();
      };
      outflow.whenRoom(goOn);
      stream.once("close", goOn);
    });
  }

  /** The one message of the answer, and with it the status OK. */
  answer(message: Uint8Array): void {
    if (this.hasEnded) return;
    this.respond();
    this.finish(OK_TRAILERS, framed(message));
  }

  /** Ends the answer with OK. */
  end(): void {
    if (this.hasEnded) return;
    if (this.hasResponded) this.finish(OK_TRAILERS);
    else this.respondWith(OK_TRAILERS);
  }

  /** Ends the answer with a failure; what was written before is delivered. */
  fail(said: CallStatus): void {
    if (this.hasEnded) return;
    const trailers = trailersOf(said);
    if (this.hasResponded) this.finish(trailers);
    else this.respondWith(trailers);
  }

  private get hasRoom(): boolean {
    return this.stream.writableLength < WRITE_AHEAD_BYTES_MAX;
  }

  private readonly tellDrained = (): void => {
    if (this.hasEnded) return;
    if (this.outflow.isFull) this.outflow.whenRoom(this.tellDrained);
    else if (this.hasRoom) this.listener?.drained?.();
  };

  private wrote(bytes: number): void {
    this.unsentBytes += bytes;
    this.outflow.wrote(bytes);
  }

  /** More than is under way where the stream was closed before. */
  private took(bytes: number): void {
    const taken = Math.min(bytes, this.unsentBytes);
    this.unsentBytes -= taken;
    this.outflow.took(taken);
  }

  private respond(): void {
    if (this.hasResponded) return;
    this.hasResponded = true;
    this.stream.respond(RESPONSE_HEADERS, WITH_TRAILERS);
  }

  private finish(trailers: OutgoingHttpHeaders, last?: Buffer): void {
    const { stream } = this;
    this.markOver();
    stream.once("wantTrailers", () => {
      if (this.isGone) return;
      stream.sendTrailers(trailers);
      this.releaseStream();
    });
    if (last === undefined) {
      stream.end();
      return;
    }
    const { length } = last;
    this.wrote(length);
    stream.end(last, () => this.took(length));
  }

  private respondWith(trailers: OutgoingHttpHeaders): void {
    this.markOver();
    this.stream.respond({ ...RESPONSE_HEADERS, ...trailers }, { endStream: true });
    this.releaseStream();
  }

  /** After the status: a caller that has not ended its half need not, and would keep the stream as long as it likes. */
  private releaseStream(): void {
    if (this.stream.readableEnded) return;
    // In a turn of its own, for the frame that resets the stream must come behind that of the status.
    setImmediate(() => {
      if (!this.isGone && !this.stream.readableEnded) this.stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }

  private markOver(): void {
    this.isOver = true;
    clearTimeout(this.timer);
    // What the caller still sends is dropped: it would keep the stream.
    this.stream.resume();
  }

  private take(chunk: Buffer): void {
    if (this.hasEnded) return;
    try {
      this.splitter.push(chunk, (message, isCompressed) => this.takeMessage(message, isCompressed));
    } catch (error) {
      // What a listener throws is a fault of ours, and ends the process as it does where it is thrown at the end of a request.
      if (error instanceof MessageTooLongError) {
        this.refuse({ code: status.RESOURCE_EXHAUSTED, details: error.message });
      } else if (error instanceof FlagError) {
        this.refuse({ code: status.INTERNAL, details: error.message });
      } else {
        throw error;
      }
    }
  }

  private takeMessage(message: Buffer, isCompressed: boolean): void {
    if (this.hasEnded) return;
    if (!isCompressed) {
      this.listener?.message(message);
      return;
    }
    const result = decompressed(message, this.header("grpc-encoding"), this.messageBytesMax);
    if ("fault" in result) this.refuse(result.fault);
    else this.listener?.message(result.message);
  }

  private takeEnd(): void {
    if (this.hasEnded) return;
    if (this.splitter.isBetweenMessages) this.listener?.end();
    else this.refuse({ code: status.INTERNAL, details: "The last message is not whole" });
  }

  private refuse(said: CallStatus): void {
    this.onRefused?.(this, said.details);
    this.breakOff(said);
  }

  /** Ends the call from this side of the listener. */
  private breakOff(said: CallStatus): void {
    if (this.hasEnded) return;
    this.fail(said);
    this.listener?.cancelled();
  }

  private leave(): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.timer);
    this.listener?.cancelled();
  }
}
