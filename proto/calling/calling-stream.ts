import { errorCode, type Headers, type Stream, type StreamListener } from "@quorate/proto/http2";
import { Status } from "nice-grpc-common";
import { type EndStatus, pageIn, statusIn, statusOfReset } from "./end-status";
import { MessageSplitter, MessageTooLongError, prefixOf } from "./messages";

/** What comes of a stream. Nothing does once it is cancelled. None of it may throw. */
export interface CallingListener {
  /** One of the other side's messages. It views the chunk that it came in: copy what is kept. */
  message(bytes: Buffer): void;
  /** The transport has taken what was written, after it wanted a pause. */
  drained?(): void;
  /** It is over, as the other side says, or as its connection came to its end: told once, and nothing after it. */
  ended(said: EndStatus): void;
}

/** The calling end of one call of whatever kind: messages as bytes in both directions, and at the end a status. */
export class CallingStream implements StreamListener {
  private readonly listener: CallingListener;
  private readonly stream: Stream;
  private readonly lossOfConnection: () => string;
  private readonly splitter: MessageSplitter;
  private said: EndStatus | null = null;
  private isOver = false;

  /**
   * @param messageBytesMax the longest message that is taken
   * @param lossOfConnection how the connection was lost; asked where it was
   */
  constructor(
    stream: Stream,
    messageBytesMax: number,
    listener: CallingListener,
    lossOfConnection: () => string,
  ) {
    this.stream = stream;
    stream.listener = this;
    this.listener = listener;
    this.lossOfConnection = lossOfConnection;
    this.splitter = new MessageSplitter(messageBytesMax);
  }

  /**
   * @param taken called when the transport has taken it, or never will
   * @returns whether the transport has room for more; else `drained` tells
   */
  write(message: Uint8Array, taken?: () => void): boolean {
    if (!this.isOver) return this.stream.write(prefixOf(message), message, taken ?? null);
    if (taken !== undefined) process.nextTick(taken);
    return false;
  }

  /** Says that all is said. @param last a message that goes before that */
  end(last?: Uint8Array): void {
    if (this.isOver) return;
    if (last !== undefined) this.stream.write(prefixOf(last), last, null);
    this.stream.end([]);
  }

  /** Ends the call on both sides; nothing is told any more. Safe to call twice. */
  cancel(): void {
    this.isOver = true;
    this.stream.reset(errorCode.cancel);
  }

  /** Takes no more from the connection, so that the other side must wait. Messages of a chunk that has come are told still. */
  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  /** Told by its stream: of headers, and then of trailers. Only what ends an answer says how the call ended. */
  onHeaders(headers: Headers, isLast: boolean): void {
    if (this.isOver) return;
    const page = pageIn(headers);
    if (isLast) {
      const said = statusIn(headers);
      // No page says that a call ended well.
      this.said = page !== null && (said === null || said.code === Status.OK) ? page : said;
    } else if (page !== null) {
      // What follows is for people.
      this.breakOff(page);
    }
  }

  /** Told by its stream. */
  onData(chunk: Buffer): void {
    if (this.isOver) return;
    try {
      this.splitter.push(chunk, this.takeMessage);
    } catch (error) {
      const code = error instanceof MessageTooLongError ? Status.RESOURCE_EXHAUSTED : Status.INTERNAL;
      this.breakOff({ code, details: (error as Error).message });
    }
  }

  /** Told by its stream. */
  onEnd(): void {
    // This side of it may be open still. A turn later, for mostly the other side resets that, right behind its end.
    if (!this.stream.hasLocalEnded) process.nextTick(() => this.stream.reset(errorCode.cancel));
    const said = this.said ?? statusOfReset(errorCode.none, true);
    this.conclude(said.code === Status.OK && !this.splitter.isBetweenMessages ? CUT_OFF : said);
  }

  /** Told by its stream. */
  onDrained(): void {
    if (!this.isOver) this.listener.drained?.();
  }

  /** Told by its stream. @param code null where its connection is lost */
  onClosed(code: number | null): void {
    if (this.isOver) return;
    const { said } = this;
    // Not all of the answer was told: it cannot have ended well.
    this.conclude(said === null || said.code === Status.OK ? this.statusOfEnd(code) : said);
  }

  private statusOfEnd(code: number | null): EndStatus {
    if (code !== null) return statusOfReset(code, this.stream.hasRemoteHeaders);
    return { code: Status.UNAVAILABLE, details: `the connection was lost: ${this.lossOfConnection()}` };
  }

  private readonly takeMessage = (message: Buffer, isCompressed: boolean): void => {
    if (this.isOver) return;
    if (isCompressed) throw new Error("a message came compressed, which was not asked for");
    this.listener.message(message);
  };

  private breakOff(said: EndStatus): void {
    if (this.isOver) return;
    this.cancel();
    this.listener.ended(said);
  }

  private conclude(said: EndStatus): void {
    if (this.isOver) return;
    this.isOver = true;
    this.listener.ended(said);
  }
}

const CUT_OFF: EndStatus = { code: Status.INTERNAL, details: "the answer ends within a message" };
