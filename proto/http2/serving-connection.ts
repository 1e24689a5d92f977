import type { Socket } from "node:net";
import { FrameReader, withoutPadding } from "./frame-reader";
import {
  ConnectionError,
  errorCode,
  FRAME_BYTES_MAX,
  FRAME_HEAD_BYTES,
  flag,
  frameType,
  PREFACE,
  setting,
  WINDOW_BYTES_DEFAULT,
  WINDOW_BYTES_MAX,
} from "./frames";
import { HEADER_LIST_BYTES_MAX, HeaderDecoder } from "./header-decoder";
import type { OutgoingField } from "./header-encoder";
import type { Headers } from "./headers";
import { ResetBudget } from "./reset-budget";
import { Sender } from "./sender";
import { Stream, type StreamCarrier } from "./stream";

export interface ServingConnectionOptions {
  /** How many streams may be open at once. */
  readonly streamsMax: number;
  /** How much may be under way to here unread: of one stream, and of all. Those of HTTP/2 where unset: 64 KiB each. */
  readonly windows?: { readonly callBytes: number; readonly connectionBytes: number } | undefined;
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

/** What one header may take of the wire. */
const HEADER_BLOCK_BYTES_MAX = 64 * 1024;

/** How long the other side may take to close a connection that has ended, once it has taken what was said on it. */
const LINGER_MS = 1000;

/** How long it may take for that. */
const LEAVING_MS = 10_000;

/** A header whose frames have not all come. */
interface UnfinishedHeader {
  readonly streamId: number;
  readonly endsStream: boolean;
  readonly parts: Buffer[];
  bytes: number;
}

/** The serving end of a connection of HTTP/2 over TCP (RFC 9113). */
export class ServingConnection implements StreamCarrier {
  private readonly socket: Socket;
  private readonly listener: ServingConnectionListener;
  private readonly streamsMax: number;
  private readonly streams = new Map<number, Stream>();
  private readonly sender: Sender;
  private readonly reader: FrameReader;
  private readonly decoder = new HeaderDecoder();
  private readonly resets = new ResetBudget();
  /** How often windows of all streams are changed is bounded alike. */
  private readonly widenings = new ResetBudget();
  private readonly streamWindowMax: number;
  private readonly windowMax: number;
  private window: number;
  private uncredited = 0;
  /** What has come of the preface; null once it is whole. */
  private preface: Buffer | null = NO_BYTES;
  private hasSettings = false;
  /** The last one that the other side has begun, and the last that was taken: those it begins behind our farewell are not. */
  private lastStreamId = 0;
  private lastTakenId = 0;
  private header: UnfinishedHeader | null = null;
  /** Who is told of the answers to our probes, in the order of these. */
  private readonly pings: (() => void)[] = [];
  private readonly onClose: (() => void)[] = [];
  private isClosing = false;
  /** All of its streams have ended, and so does it. */
  private isEnding = false;
  private isFlooded = false;
  private isOver = false;

  /** @param socket one that nothing was read from or written to */
  constructor(socket: Socket, options: ServingConnectionOptions, listener: ServingConnectionListener) {
    this.socket = socket;
    this.listener = listener;
    this.streamsMax = options.streamsMax;
    const { windows } = options;
    // Not below what the other side takes for granted until it has read otherwise.
    this.streamWindowMax = Math.max(WINDOW_BYTES_DEFAULT, windows?.callBytes ?? 0);
    this.windowMax = Math.max(WINDOW_BYTES_DEFAULT, windows?.connectionBytes ?? 0);
    this.window = this.windowMax;
    this.sender = new Sender(socket, {
      wrote: (bytes) => listener.wrote(bytes),
      took: (bytes) => listener.took(bytes),
      finished: (stream) => this.finish(stream),
      flooded: () => this.destroySoon(),
    });
    this.reader = new FrameReader({
      dataBegun: (streamId, bytes, paddingBytes) => this.beginData(streamId, bytes, paddingBytes),
      data: (streamId, part, isLast) => this.streams.get(streamId)?.take(part, isLast),
      frame: (type, flags, streamId, payload) => this.take(type, flags, streamId, payload),
    });
    socket.setNoDelay();
    // Followed by "close".
    socket.on("error", () => {});
    socket.on("close", () => this.conclude());
    socket.on("data", (chunk: Buffer) => this.read(chunk));
    this.sender.settings([
      [setting.maxConcurrentStreams, options.streamsMax],
      [setting.initialWindowSize, this.streamWindowMax],
      [setting.maxHeaderListSize, HEADER_LIST_BYTES_MAX],
    ]);
    const more = this.windowMax - WINDOW_BYTES_DEFAULT;
    if (more > 0) this.sender.windowUpdate(0, more);
  }

  get destroyed(): boolean {
    return this.isOver;
  }

  /** Probes the other side. @param answered called when it has answered */
  ping(answered: () => void): void {
    if (this.isOver) return;
    this.pings.push(answered);
    this.sender.ping(null);
  }

  once(_event: "close", run: () => void): void {
    this.onClose.push(run);
  }

  /** Takes no more streams, and ends when those that there are have ended. Safe to call twice. */
  close(): void {
    if (this.isClosing || this.isOver) return;
    this.sender.goaway(this.lastTakenId, errorCode.none);
    this.isClosing = true;
    this.endIfDone();
  }

  /** Ends at once, with all streams. Safe to call twice. */
  destroy(): void {
    this.socket.destroy();
    this.conclude();
  }

  /** Who writes just now is not to find its stream gone while it does. */
  private destroySoon(): void {
    if (this.isFlooded) return;
    this.isFlooded = true;
    this.reader.stop();
    setImmediate(() => this.destroy());
  }

  sendHeaders(stream: Stream, fields: readonly OutgoingField[]): void {
    this.sender.headers(stream.id, fields, false);
  }

  sendData(stream: Stream, head: Uint8Array, body: Uint8Array, taken: (() => void) | null): void {
    this.sender.data(stream, head, body, taken);
  }

  sendEnd(stream: Stream): void {
    this.sender.end(stream);
  }

  hasRoom(stream: Stream): boolean {
    return this.sender.hasRoom(stream);
  }

  reset(stream: Stream, code: number): void {
    this.sender.rstStream(stream.id, code);
    this.closeStream(stream, code);
  }

  credit(stream: Stream, bytes: number): void {
    stream.uncredited += bytes;
    if (stream.hasRemoteEnded || stream.uncredited < this.streamWindowMax / 2) return;
    this.sender.windowUpdate(stream.id, stream.uncredited);
    stream.receiveWindow += stream.uncredited;
    stream.uncredited = 0;
  }

  private read(chunk: Buffer): void {
    if (this.isOver) return;
    try {
      const frames = this.preface === null ? chunk : this.readPreface(chunk);
      if (frames.length > 0) this.reader.push(frames);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.fail(error.code);
    }
  }

  /** @returns what comes behind it */
  private readPreface(chunk: Buffer): Buffer {
    const bytes = Buffer.concat([this.preface as Buffer, chunk]);
    const length = Math.min(PREFACE.length, bytes.length);
    if (!bytes.subarray(0, length).equals(PREFACE.subarray(0, length))) throw protocolError("no HTTP/2");
    this.preface = bytes.length < PREFACE.length ? bytes : null;
    return bytes.subarray(length);
  }

  private take(type: number, flags: number, streamId: number, payload: Buffer): void {
    this.checkTurn(type, streamId);
    switch (type) {
      case frameType.headers:
        this.takeHeaders(flags, streamId, payload);
        return;
      case frameType.continuation:
        this.takeContinuation(flags, payload);
        return;
      case frameType.rstStream:
        this.takeReset(streamId, payload);
        return;
      case frameType.settings:
        this.takeSettings(flags, streamId, payload);
        return;
      case frameType.ping:
        this.takePing(flags, streamId, payload);
        return;
      case frameType.windowUpdate:
        this.takeWindowUpdate(streamId, payload);
        return;
      case frameType.goaway:
        if (streamId !== 0) throw protocolError("a farewell of a stream");
        if (payload.length < GOAWAY_BYTES_MIN) throw frameSizeError();
        // No more streams come; what there is goes on, and who gives that up closes its socket.
        this.close();
        return;
      case frameType.priority:
        if (streamId === 0) throw protocolError("a priority of the connection");
        return;
      case frameType.pushPromise:
        throw protocolError("a promise of who calls");
      default:
        // A kind that is not known means nothing.
        return;
    }
  }

  private checkTurn(type: number, streamId: number): void {
    if (!this.hasSettings && type !== frameType.settings) throw protocolError("a frame before the settings");
    const isContinuation = type === frameType.continuation;
    if (isContinuation !== (this.header !== null) || (isContinuation && streamId !== this.header?.streamId)) {
      throw protocolError("a header whose frames do not follow each other");
    }
  }

  private beginData(streamId: number, bytes: number, paddingBytes: number): void {
    this.checkTurn(frameType.data, streamId);
    if (streamId === 0 || streamId > this.lastStreamId) throw protocolError("data of no stream");
    this.window -= bytes;
    if (this.window < 0) throw flowControlError();
    // At once, for what waits in one stream must not be in the way of the others: each has a window of its own.
    this.uncredited += bytes;
    if (this.uncredited >= this.windowMax / 2) {
      this.sender.windowUpdate(0, this.uncredited);
      this.window += this.uncredited;
      this.uncredited = 0;
    }
    const stream = this.streams.get(streamId);
    // One that is over here, which the other side need not know yet.
    if (stream === undefined) return;
    stream.receiveWindow -= bytes;
    if (stream.hasRemoteEnded) this.refuse(stream, errorCode.streamClosed);
    else if (stream.receiveWindow < 0) throw flowControlError();
    else if (paddingBytes > 0) this.credit(stream, paddingBytes);
  }

  private takeHeaders(flags: number, streamId: number, payload: Buffer): void {
    if (streamId % 2 === 0) throw protocolError("a stream that who calls cannot begin");
    let block = (flags & flag.padded) === 0 ? payload : withoutPadding(payload);
    if ((flags & flag.priority) !== 0) {
      if (block.length < PRIORITY_BYTES) throw frameSizeError();
      block = block.subarray(PRIORITY_BYTES);
    }
    const endsStream = (flags & flag.endStream) !== 0;
    if ((flags & flag.endHeaders) !== 0) this.takeBlock(streamId, endsStream, block);
    else this.header = { streamId, endsStream, parts: [Buffer.from(block)], bytes: payload.length };
  }

  private takeContinuation(flags: number, payload: Buffer): void {
    const header = this.header as UnfinishedHeader;
    header.bytes += FRAME_HEAD_BYTES + payload.length;
    if (header.bytes > HEADER_BLOCK_BYTES_MAX) {
      throw new ConnectionError(errorCode.enhanceYourCalm, "a header that is too long");
    }
    header.parts.push(Buffer.from(payload));
    if ((flags & flag.endHeaders) === 0) return;
    this.header = null;
    this.takeBlock(header.streamId, header.endsStream, Buffer.concat(header.parts));
  }

  private takeBlock(streamId: number, endsStream: boolean, block: Buffer): void {
    // Whatever becomes of it: what it has kept is meant by those that follow.
    const headers = this.decoder.decode(block);
    const known = this.streams.get(streamId);
    if (known !== undefined) {
      // Trailers, of which gRPC has none in this direction.
      if (known.hasRemoteEnded || !endsStream) this.refuse(known, errorCode.protocol);
      else known.take(NO_BYTES, true);
      return;
    }
    // One that is over here, or that is to be begun elsewhere.
    if (streamId <= this.lastStreamId) return;
    this.lastStreamId = streamId;
    if (this.isClosing) return;
    this.lastTakenId = streamId;
    const stream = new Stream(streamId, this, this.streamWindowMax, this.sender.initialWindow);
    stream.hasRemoteEnded = endsStream;
    this.streams.set(streamId, stream);
    if (this.streams.size > this.streamsMax) this.refuse(stream, errorCode.refusedStream);
    else if (headers.isCutOff) this.refuse(stream, errorCode.enhanceYourCalm);
    else {
      this.listener.stream(stream, headers);
      if (endsStream) stream.take(NO_BYTES, true);
    }
  }

  private takeReset(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw frameSizeError();
    if (streamId === 0 || streamId > this.lastStreamId) throw protocolError("a reset of no stream");
    this.countReset();
    const stream = this.streams.get(streamId);
    if (stream !== undefined) this.closeStream(stream, payload.readUInt32BE(0));
  }

  private takeSettings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw protocolError("settings of a stream");
    const isAck = (flags & flag.ack) !== 0;
    if (payload.length % SETTING_BYTES !== 0 || (isAck && payload.length > 0)) throw frameSizeError();
    if (isAck) return;
    this.hasSettings = true;
    for (let at = 0; at < payload.length; at += SETTING_BYTES) {
      this.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
    this.sender.settingsAck();
  }

  /** Of all streams, which costs us by far more than who says it. */
  private widenAll(bytes: number): void {
    if (bytes === 0) return;
    if (this.widenings.spend()) throw new ConnectionError(errorCode.enhanceYourCalm, "too many settings");
    for (const stream of this.streams.values()) {
      if (!this.sender.widenStream(stream, bytes)) throw flowControlError();
    }
  }

  private set(id: number, value: number): void {
    switch (id) {
      case setting.headerTableSize:
        this.sender.setTableBytesMax(value);
        return;
      case setting.initialWindowSize: {
        if (value > WINDOW_BYTES_MAX) throw flowControlError();
        const more = value - this.sender.initialWindow;
        this.sender.initialWindow = value;
        this.widenAll(more);
        return;
      }
      case setting.maxFrameSize:
        // Ours are never longer than the least that it may be.
        if (value < FRAME_BYTES_MAX) throw protocolError("frames that are too short");
        return;
      default:
        return;
    }
  }

  private takePing(flags: number, streamId: number, payload: Buffer): void {
    if (payload.length !== PING_BYTES) throw frameSizeError();
    if (streamId !== 0) throw protocolError("a probe of a stream");
    if ((flags & flag.ack) === 0) this.sender.ping(payload);
    else this.pings.shift()?.();
  }

  private takeWindowUpdate(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw frameSizeError();
    if (streamId > this.lastStreamId) throw protocolError("a window of no stream");
    const bytes = payload.readUInt32BE(0) & WINDOW_BYTES_MAX;
    if (streamId === 0) {
      if (bytes === 0) throw protocolError("a window that does not grow");
      if (!this.sender.widen(bytes)) throw flowControlError();
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    if (bytes === 0) this.refuse(stream, errorCode.protocol);
    else if (!this.sender.widenStream(stream, bytes)) this.refuse(stream, errorCode.flowControl);
  }

  /** Resets a stream for what its caller did. */
  private refuse(stream: Stream, code: number): void {
    this.reset(stream, code);
    this.countReset();
  }

  private countReset(): void {
    if (this.resets.spend()) throw new ConnectionError(errorCode.enhanceYourCalm, "too many resets");
  }

  /** All of it is sent. */
  private finish(stream: Stream): void {
    // Whoever has not ended its half need not any more, and would keep the stream as long as it likes.
    if (!stream.hasRemoteEnded) this.sender.rstStream(stream.id, errorCode.none);
    this.closeStream(stream, errorCode.none);
  }

  private closeStream(stream: Stream, code: number | null): void {
    if (!this.streams.delete(stream.id)) return;
    this.sender.forget(stream);
    stream.close(code);
    this.endIfDone();
  }

  private endIfDone(): void {
    if (!this.isClosing || this.isOver || this.isEnding || this.streams.size > 0) return;
    this.isEnding = true;
    // What it still says asks for nothing, and answers to it would be kept for no one.
    this.reader.stop();
    this.sender.finish();
    this.linger(LEAVING_MS);
  }

  /** What was said leaves, and then the other side may close; neither for as long as that likes. */
  private linger(leavingMs: number): void {
    const { socket } = this;
    const destroy = (): void => {
      socket.destroy();
    };
    socket.once("finish", () => setTimeout(destroy, LINGER_MS).unref());
    setTimeout(destroy, leavingMs).unref();
  }

  private fail(code: number): void {
    if (this.isOver) return;
    this.sender.goaway(this.lastTakenId, code);
    this.sender.finish();
    this.linger(LINGER_MS);
    this.conclude();
  }

  private conclude(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.reader.stop();
    // Before those are told whose data was on its way, so that they say nothing more.
    for (const stream of [...this.streams.values()]) this.closeStream(stream, null);
    this.sender.stop();
    for (const run of this.onClose) run();
    this.listener.closed();
  }
}

const NO_BYTES = Buffer.alloc(0);
const PRIORITY_BYTES = 5;
const SETTING_BYTES = 6;
const PING_BYTES = 8;
const GOAWAY_BYTES_MIN = 8;

function protocolError(what: string): ConnectionError {
  return new ConnectionError(errorCode.protocol, what);
}

function frameSizeError(): ConnectionError {
  return new ConnectionError(errorCode.frameSize, "a frame of another length than it may have");
}

function flowControlError(): ConnectionError {
  return new ConnectionError(errorCode.flowControl, "a window that was not kept to");
}
