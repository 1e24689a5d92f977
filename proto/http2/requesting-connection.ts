import type { Socket } from "node:net";
import { Connection, type Windows } from "./connection";
import { errorCode, protocolError, setting, WINDOW_BYTES_DEFAULT } from "./frames";
import type { OutgoingField } from "./header-encoder";
import type { Headers } from "./headers";
import { Stream } from "./stream";

export interface RequestingConnectionOptions {
  /** Those of HTTP/2 where unset: 64 KiB each. */
  readonly windows?: Windows | undefined;
  /** How much of a stream may wait to be sent before it says that there is no room. */
  readonly writeAheadBytesMax: number;
}

/** What becomes of a connection. None of it may throw. */
export interface RequestingConnectionListener {
  /** The other side has said its first word, so it serves. Told once at most. */
  ready(): void;
  /** No more streams can be begun: it is lost, or is to end when those that it has are over. Told once. @param why in words */
  closed(why: string): void;
}

/** As nghttp2 and others have it until the other side has said how many streams it takes. */
const STREAMS_MAX_UNTOLD = 100;

const STREAM_ID_MAX = 2 ** 31 - 1;

/**
 * The end of a connection of HTTP/2 over TCP (RFC 9113) that begins the streams. It keeps the process running until it is
 * ready, and from then on while there are streams on it.
 */
export class RequestingConnection extends Connection {
  private readonly listener: RequestingConnectionListener;
  private readonly writeAheadBytesMax: number;
  /** Those that are not begun yet, since the other side takes no more at a time, with their headers. */
  private readonly waiting = new Map<Stream, readonly OutgoingField[]>();
  private streamsMax = STREAMS_MAX_UNTOLD;
  private streamsMaxTold = Number.POSITIVE_INFINITY;
  private phase: "connecting" | "ready" | "closed" = "connecting";
  /** Whether the first word of the other side has come, whatever came then. */
  private isAnswered = false;

  /** @param socket one that nothing was read from or written to; it may be about to connect */
  constructor(socket: Socket, options: RequestingConnectionOptions, listener: RequestingConnectionListener) {
    const { windows, writeAheadBytesMax } = options;
    super(socket, windows?.callBytes ?? WINDOW_BYTES_DEFAULT, windows?.connectionBytes ?? 0, NOBODY);
    this.listener = listener;
    this.writeAheadBytesMax = writeAheadBytesMax;
    // No answer comes any more, also where the socket waits for the other side to take what was said.
    socket.on("end", () => this.destroy(CLOSED_THERE));
    this.sender.preface();
    this.begin([setting.enablePush, 0]);
  }

  /** Whether it can carry another stream. */
  get isReady(): boolean {
    return this.phase === "ready";
  }

  /** How many streams it has, those included that wait to be begun. */
  get streamCount(): number {
    return this.streams.size + this.waiting.size;
  }

  /** How it was lost, in words. */
  get loss(): string {
    return this.fault ?? CLOSED_THERE;
  }

  /**
   * Begins a stream, which leaves as soon as there is a connection on which the other side takes one more.
   *
   * @returns one that is to be given its listener before the turn ends
   * @throws where no more can be begun
   */
  request(fields: readonly OutgoingField[]): Stream {
    if (this.phase === "closed") throw new Error("the connection was closed");
    if (this.isAnswered && this.streamCount === 0) this.socket.ref();
    const stream = new Stream(0, this, this.streamWindowMax, 0, this.writeAheadBytesMax);
    if (this.waiting.size === 0 && this.streams.size < this.streamsMax) this.start(stream, fields);
    else this.waiting.set(stream, fields);
    return stream;
  }

  override close(): void {
    this.leave("it was closed");
    super.close();
  }

  /** What was said before leaves still, as far as it can at once. */
  override destroy(why?: string): void {
    this.sender.finish();
    super.destroy(why);
  }

  override sendEnd(stream: Stream): void {
    // One that waits says so when it is begun.
    if (stream.id !== 0) super.sendEnd(stream);
  }

  override reset(stream: Stream, code: number): void {
    if (this.streams.has(stream.id)) {
      super.reset(stream, code);
    } else if (this.waiting.delete(stream)) {
      this.sender.forget(stream);
      this.restIfIdle();
    }
    // Where all of its answer has come, but was not read.
    if (!stream.isClosed) stream.close(code);
    this.endIfDone();
  }

  protected override withoutPreface(chunk: Buffer): Buffer {
    return chunk;
  }

  protected override takeHeaders(streamId: number, endsStream: boolean, headers: Headers): void {
    if (streamId > this.lastStreamId) throw protocolError("a header of no stream");
    const stream = this.streams.get(streamId);
    // One that is over here, which the other side need not know yet.
    if (stream === undefined) return;
    const status = headers.get(":status");
    const isFirst = !stream.hasRemoteHeaders;
    if (stream.hasRemoteEnded) this.refuse(stream, errorCode.streamClosed);
    else if (headers.isCutOff) this.refuse(stream, errorCode.enhanceYourCalm);
    else if (isFirst === (status === null) || (!isFirst && !endsStream))
      this.refuse(stream, errorCode.protocol);
    // What is said before the answer asks for nothing here.
    else if (status !== null && INFORMATIONAL.test(status)) {
      if (endsStream) this.refuse(stream, errorCode.protocol);
    } else {
      stream.hasRemoteHeaders = true;
      stream.listener?.onHeaders?.(headers, endsStream);
      if (!endsStream) return;
      stream.take(NO_BYTES, true);
      this.onRead(stream);
    }
  }

  /** Those that it does not go on with were not looked at, and may be asked for elsewhere. */
  protected override takeGoaway(lastTakenId: number, code: number): void {
    const isFault = code !== errorCode.none;
    const why = isFault
      ? `the other side ended it with error code ${code}`
      : "the other side closes the connection";
    this.leave(why);
    this.dropWaiting(errorCode.refusedStream);
    for (const stream of [...this.streams.values()]) {
      if (stream.id > lastTakenId) this.closeStream(stream, errorCode.refusedStream);
    }
    if (isFault) {
      this.destroy(why);
      return;
    }
    this.restIfIdle();
    this.close();
  }

  protected override takeReset(stream: Stream | undefined, code: number): void {
    if (stream !== undefined) this.closeStream(stream, code);
  }

  protected override onSent(stream: Stream): void {
    if (stream.hasRemoteEnded) this.closeStream(stream, errorCode.none);
  }

  protected override onRead(stream: Stream): void {
    if (stream.hasLocalEnded) this.closeStream(stream, errorCode.none);
  }

  /** Its stream is over, and it can begin none here. */
  protected override onRefused(): void {}

  protected override onSetting(id: number, value: number): void {
    if (id === setting.maxConcurrentStreams) this.streamsMaxTold = value;
    else if (id === setting.enablePush && value !== 0) throw protocolError("pushes were not asked for");
  }

  protected override onSettings(): void {
    this.streamsMax = this.streamsMaxTold;
    this.startWaiting();
    if (this.isAnswered) return;
    this.isAnswered = true;
    this.restIfIdle();
    if (this.phase !== "connecting") return;
    this.phase = "ready";
    this.listener.ready();
  }

  /** An answer that is whole is told to its end, whatever became of what was asked, or of the connection. */
  protected override endStream(stream: Stream, code: number | null): void {
    if (stream.hasRemoteEnded && !stream.isEndTold) stream.retire();
    else stream.close(code);
    if (this.isOver) return;
    this.startWaiting();
    this.restIfIdle();
  }

  protected override endIfDone(): void {
    if (this.waiting.size === 0) super.endIfDone();
  }

  protected override onLost(): void {
    this.leave(this.loss);
    this.dropWaiting(null);
  }

  protected override onOver(): void {}

  private leave(why: string): void {
    if (this.phase === "closed") return;
    this.phase = "closed";
    this.listener.closed(why);
  }

  private startWaiting(): void {
    for (const [stream, fields] of this.waiting) {
      if (this.streams.size >= this.streamsMax) return;
      this.waiting.delete(stream);
      this.start(stream, fields);
    }
  }

  private dropWaiting(code: number | null): void {
    for (const stream of [...this.waiting.keys()]) {
      // Unless who was told of another one has given it up.
      if (!this.waiting.delete(stream)) continue;
      this.sender.forget(stream);
      stream.close(code);
    }
  }

  private start(stream: Stream, fields: readonly OutgoingField[]): void {
    this.lastStreamId += this.lastStreamId === 0 ? 1 : 2;
    stream.id = this.lastStreamId;
    this.streams.set(stream.id, stream);
    this.sender.headers(stream.id, fields, false);
    // With it goes what it has already.
    this.sender.widenStream(stream, this.sender.initialWindow);
    if (stream.pending.length === 0 && stream.trailers !== null) this.sender.end(stream);
    if (this.lastStreamId >= STREAM_ID_MAX) this.leaveUsedUp();
  }

  /** No number is left for another stream. */
  private leaveUsedUp(): void {
    this.leave("it has carried all streams that it may");
    this.dropWaiting(errorCode.refusedStream);
    super.close();
  }

  private restIfIdle(): void {
    if (this.isAnswered && this.streamCount === 0) this.socket.unref();
  }
}

const CLOSED_THERE = "the other side closed it";

const INFORMATIONAL = /^1\d\d$/;

const NO_BYTES = Buffer.alloc(0);

const NOBODY = { wrote: () => {}, took: () => {} };
