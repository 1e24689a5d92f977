import type { Socket } from "node:net";
import { Connection, type Windows } from "./connection";
import { ConnectionError, errorCode, PREFACE, protocolError, setting, WINDOW_BYTES_DEFAULT } from "./frames";
import type { Headers } from "./headers";
import { ResetBudget } from "./reset-budget";
import { Stream } from "./stream";

export interface ServingConnectionOptions {
  /** How many streams may be open at once. */
  readonly streamsMax: number;
  /** Those of HTTP/2 where unset: 64 KiB each. */
  readonly windows?: Windows | undefined;
}

/** What comes of a connection. None of it may throw. */
export interface ServingConnectionListener {
  /** The other side has begun a stream, which is to be given its listener before this returns, or ended or reset. */
  stream(stream: Stream, headers: Headers): void;
  /** Told once, when all of its streams are closed. */
  closed(): void;
  /** Bytes of data were given to be sent; they were taken by the transport, or never will be. */
  wrote(bytes: number): void;
  took(bytes: number): void;
}

/** The serving end of a connection of HTTP/2 over TCP (RFC 9113). */
export class ServingConnection extends Connection {
  private readonly listener: ServingConnectionListener;
  private readonly streamsMax: number;
  private readonly resets = new ResetBudget();
  /** What has come of the preface; null once it is whole. */
  private preface: Buffer | null = NO_BYTES;

  /** @param socket one that nothing was read from or written to */
  constructor(socket: Socket, options: ServingConnectionOptions, listener: ServingConnectionListener) {
    const { windows, streamsMax } = options;
    // Not below what the other side takes for granted until it has read otherwise.
    const streamWindowMax = Math.max(WINDOW_BYTES_DEFAULT, windows?.callBytes ?? 0);
    super(socket, streamWindowMax, windows?.connectionBytes ?? 0, listener);
    this.listener = listener;
    this.streamsMax = streamsMax;
    this.begin([setting.maxConcurrentStreams, streamsMax]);
  }

  protected override withoutPreface(chunk: Buffer): Buffer {
    if (this.preface === null) return chunk;
    const bytes = Buffer.concat([this.preface, chunk]);
    const length = Math.min(PREFACE.length, bytes.length);
    if (!bytes.subarray(0, length).equals(PREFACE.subarray(0, length))) throw protocolError("no HTTP/2");
    this.preface = bytes.length < PREFACE.length ? bytes : null;
    return bytes.subarray(length);
  }

  protected override takeHeaders(streamId: number, endsStream: boolean, headers: Headers): void {
    const known = this.streams.get(streamId);
    if (known !== undefined) {
      // Trailers, of which gRPC has none in this direction.
      if (known.hasRemoteEnded || !endsStream || headers.kind !== "trailers")
        this.refuse(known, errorCode.protocol);
      else known.take(NO_BYTES, true);
      return;
    }
    // One that is over here, or that is to be begun elsewhere.
    if (streamId <= this.lastStreamId) return;
    this.lastStreamId = streamId;
    if (this.isClosing) return;
    this.lastTakenId = streamId;
    const stream = new Stream(streamId, this, this.streamWindowMax, this.sender.initialWindow);
    stream.hasRemoteHeaders = true;
    stream.hasRemoteEnded = endsStream;
    this.streams.set(streamId, stream);
    if (this.streams.size > this.streamsMax) this.refuse(stream, errorCode.refusedStream);
    else if (headers.isCutOff) this.refuse(stream, errorCode.enhanceYourCalm);
    else if (headers.kind !== "request") this.refuse(stream, errorCode.protocol);
    else {
      this.listener.stream(stream, headers);
      if (endsStream) stream.take(NO_BYTES, true);
    }
  }

  /** No more streams come; what there is goes on, and who gives that up closes its socket. */
  protected override takeGoaway(): void {
    this.close();
  }

  protected override takeReset(stream: Stream | undefined, code: number): void {
    this.countReset();
    if (stream !== undefined) this.closeStream(stream, code);
  }

  protected override onSent(stream: Stream): void {
    // Whoever has not ended its half need not any more, and would keep the stream as long as it likes.
    if (!stream.hasRemoteEnded) this.sender.rstStream(stream.id, errorCode.none);
    this.closeStream(stream, errorCode.none);
  }

  /** It is over when the answer is. */
  protected override onRead(): void {}

  protected override onRefused(): void {
    this.countReset();
  }

  protected override onSettings(): void {}

  protected override onSetting(): void {}

  protected override onLost(): void {}

  protected override onOver(): void {
    this.listener.closed();
  }

  private countReset(): void {
    if (this.resets.spend()) throw new ConnectionError(errorCode.enhanceYourCalm, "too many resets");
  }
}

const NO_BYTES = Buffer.alloc(0);
