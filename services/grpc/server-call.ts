import { FlagError, MessageSplitter, MessageTooLongError, prefixOf } from "@quorate/proto/calling";
import {
  type Headers,
  KeptField,
  type OutgoingField,
  type Stream,
  type StreamListener,
} from "@quorate/proto/http2";
import { Status } from "nice-grpc-common";
import { assert } from "#std";
import { decompressed } from "./compression";
import type { Inflow } from "./inflow";
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
  readonly inflow: Inflow;
  readonly outflow: Outflow;
  /** A message of a call was refused before its handler saw it. */
  readonly onRefused?: ((call: ServerCall, why: string) => void) | undefined;
}

/** Beyond this many milliseconds a timer of Node fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** As little as gRPC allows: what is understood of compression is said where it was not. */
const RESPONSE_HEADERS: readonly OutgoingField[] = [
  new KeptField(":status", "200"),
  new KeptField("content-type", "application/grpc+proto"),
];

/** One call as its server sees it: messages as bytes in both directions, and at the end a status. */
export class ServerCall implements StreamListener {
  /** Such as "/quorate.kv.v1.KvService/Put". */
  readonly path: string;
  /** host:port of the caller. */
  readonly peer: string;
  /** As Date.now() counts; infinite where the caller sets none, NaN where what it says is none. Nothing ends at it by itself: see endAtDeadline. */
  readonly deadlineMs: number;
  private readonly stream: Stream;
  private readonly headers: Headers;
  private readonly splitter: MessageSplitter;
  private readonly messageBytesMax: number;
  private readonly inflow: Inflow;
  private readonly outflow: Outflow;
  private readonly onRefused: CallOrigin["onRefused"];
  private listener: CallListener | null = null;
  private timer: NodeJS.Timeout | undefined;
  private onClose: (() => void)[] | null = null;
  /** What is kept of its messages, and of that what is no whole message, and what was told and is not read. */
  private keptBytes = 0;
  private partialBytes = 0;
  private parkedBytes = 0;
  private isPaused = false;
  private hasResponded = false;
  private isOver = false;

  /** It has ended at once where its connection has no room for it. */
  constructor(stream: Stream, headers: Headers, origin: CallOrigin) {
    const { peer, messageBytesMax, inflow, outflow, onRefused } = origin;
    this.stream = stream;
    stream.listener = this;
    this.headers = headers;
    this.path = headers.get(":path") ?? "";
    this.peer = peer;
    this.messageBytesMax = messageBytesMax;
    this.inflow = inflow;
    this.outflow = outflow;
    this.onRefused = onRefused;
    this.splitter = new MessageSplitter(messageBytesMax);
    const timeout = this.header("grpc-timeout");
    const leftMs = timeout === null ? Number.POSITIVE_INFINITY : timeoutMs(timeout);
    this.deadlineMs = leftMs === null ? Number.NaN : Date.now() + leftMs;
    if (!inflow.keep(headers.bytes)) this.refuseForRoom();
  }

  /** Whether the answer was given, or nobody waits for it any more. */
  get hasEnded(): boolean {
    return this.isOver;
  }

  /** Whether the caller has said all, and all of it was told. */
  get isReadToEnd(): boolean {
    return this.stream.isReadToEnd;
  }

  getPeer(): string {
    return this.peer;
  }

  /** What the caller says beside its messages under a key in lower case, or null. */
  header(name: string): string | null {
    return this.headers.get(name);
  }

  /** Begins to read; once, in the turn in which its handler is given the call. */
  listen(listener: CallListener): void {
    assert(this.listener === null, "a call has one listener");
    this.listener = listener;
  }

  /** @param run called when nothing more of the call is sent or received */
  whenClosed(run: () => void): void {
    this.onClose ??= [];
    this.onClose.push(run);
  }

  /** From now on the call ends with DEADLINE_EXCEEDED at its deadline. */
  endAtDeadline(): void {
    const waitMs = this.deadlineMs - Date.now();
    if (this.isOver || !(waitMs <= TIMER_MS_MAX)) return;
    const exceeded = { code: Status.DEADLINE_EXCEEDED, details: "Deadline exceeded" };
    this.timer = setTimeout(() => this.breakOff(exceeded), waitMs);
  }

  /**
   * Takes no more from the connection, so that the caller must wait. Messages of a chunk that has come are told still. What is
   * told while it is paused counts as kept until it goes on.
   */
  pause(): void {
    if (this.isOver) return;
    this.isPaused = true;
    this.stream.pause();
  }

  resume(): void {
    this.isPaused = false;
    if (this.parkedBytes > 0) {
      this.keep(-this.parkedBytes);
      this.parkedBytes = 0;
    }
    this.stream.resume();
  }

  /** For who keeps a message while it waits for more of the call. @param bytes how much, or below 0 how much no longer */
  keep(bytes: number): void {
    if (this.isOver) return;
    this.keptBytes += bytes;
    if (!this.inflow.keep(bytes)) this.refuseForRoom();
  }

  /**
   * @param flushed called when the transport has taken it, or never will
   * @returns whether the transport has room for more; else `drained` tells
   */
  write(message: Uint8Array, flushed?: () => void): boolean {
    if (this.isOver) {
      if (flushed !== undefined) process.nextTick(flushed);
      return false;
    }
    this.respond();
    const hasRoom = this.stream.write(prefixOf(message), message, flushed ?? null);
    if (!this.outflow.isFull) return hasRoom;
    if (this.listener?.drained !== undefined) this.outflow.whenRoom(this.tellDrained);
    return false;
  }

  /**
   * For who writes by `flushed`: whether all calls of the connection together have so much under way that this one is to wait.
   *
   * @returns null where it need not; else resolves when it may look again, or the call has ended
   */
  room(): Promise<void> | null {
    const { outflow } = this;
    if (!outflow.isFull || this.isOver) return null;
    return new Promise((resolve) => {
      const goOn = (): void => {
        outflow.forget(goOn);
        resolve();
      };
      outflow.whenRoom(goOn);
      this.whenClosed(goOn);
    });
  }

  /** The one message of the answer, and with it the status OK. */
  answer(message: Uint8Array): void {
    if (this.isOver) return;
    this.respond();
    this.stream.write(prefixOf(message), message, null);
    this.finish(OK_TRAILERS);
  }

  /** Ends the answer with OK. */
  end(): void {
    if (this.isOver) return;
    this.finish(OK_TRAILERS);
  }

  /** Ends the answer with a failure; what was written before is delivered. */
  fail(said: CallStatus): void {
    if (this.isOver) return;
    this.finish(trailersOf(said));
  }

  /** Told by its stream. */
  onData(chunk: Buffer): void {
    if (this.isOver) return;
    try {
      this.splitter.push(chunk, this.takeMessage);
    } catch (error) {
      // What a listener throws is a fault of ours, and ends the process as it does where it is thrown at the end of a request.
      if (error instanceof MessageTooLongError) {
        this.refuse({ code: Status.RESOURCE_EXHAUSTED, details: error.message });
      } else if (error instanceof FlagError) {
        this.refuse({ code: Status.INTERNAL, details: error.message });
      } else {
        throw error;
      }
    }
    this.countPartial();
    if (this.isOver) this.splitter.drop();
  }

  /** Told by its stream. */
  onHeld(bytes: number): void {
    this.keep(bytes);
  }

  /** Told by its stream. */
  onEnd(): void {
    if (this.isOver) return;
    if (this.splitter.isBetweenMessages) this.listener?.end();
    else this.refuse({ code: Status.INTERNAL, details: "The last message is not whole" });
  }

  /** Told by its stream. */
  onDrained(): void {
    this.tellDrained();
  }

  /** Told by its stream. */
  onClosed(): void {
    this.outflow.forget(this.tellDrained);
    this.inflow.keep(-this.headers.bytes);
    const { onClose } = this;
    this.onClose = null;
    if (onClose !== null) for (const run of onClose) run();
    if (this.isOver) return;
    this.markOver();
    this.listener?.cancelled();
  }

  private readonly tellDrained = (): void => {
    if (this.isOver) return;
    if (this.outflow.isFull) this.outflow.whenRoom(this.tellDrained);
    else if (this.stream.hasRoom) this.listener?.drained?.();
  };

  private respond(): void {
    if (this.hasResponded) return;
    this.hasResponded = true;
    this.stream.sendHeaders(RESPONSE_HEADERS);
  }

  /** An answer that has nothing else is its trailers alone. */
  private finish(trailers: readonly OutgoingField[]): void {
    this.markOver();
    // What the caller still sends is dropped, for it would keep the window.
    this.stream.resume();
    this.stream.end(this.hasResponded ? trailers : [...RESPONSE_HEADERS, ...trailers]);
  }

  private readonly takeMessage = (message: Buffer, isCompressed: boolean): void => {
    this.countPartial();
    if (this.isOver) return;
    if (!isCompressed) {
      this.tell(message);
      return;
    }
    const result = decompressed(message, this.header("grpc-encoding"), this.messageBytesMax);
    if ("fault" in result) this.refuse(result.fault);
    else this.tell(result.message);
  };

  private countPartial(): void {
    const more = this.splitter.keptBytes - this.partialBytes;
    if (more === 0) return;
    this.partialBytes += more;
    this.keep(more);
  }

  private tell(message: Buffer): void {
    this.listener?.message(message);
    if (!this.isPaused) return;
    this.parkedBytes += message.length;
    this.keep(message.length);
  }

  private refuseForRoom(): void {
    const details = `The requests of this connection that are not whole, or not read, come to more than ${this.inflow.bytesMax} bytes`;
    this.refuse({ code: Status.RESOURCE_EXHAUSTED, details });
  }

  private refuse(said: CallStatus): void {
    this.onRefused?.(this, said.details);
    this.breakOff(said);
  }

  /** Ends the call from this side of the listener. */
  private breakOff(said: CallStatus): void {
    if (this.isOver) return;
    this.fail(said);
    this.listener?.cancelled();
  }

  private markOver(): void {
    this.isOver = true;
    clearTimeout(this.timer);
    this.inflow.keep(-this.keptBytes);
    this.splitter.drop();
  }
}
