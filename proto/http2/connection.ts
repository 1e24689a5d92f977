import type { Socket } from "node:net";
import { ControlFrames } from "./control-frames";
import { FrameReader } from "./frame-reader";
import { ConnectionError, errorCode, flowControlError, frameType, protocolError, setting } from "./frames";
import { HEADER_LIST_BYTES_MAX } from "./header-decoder";
import type { OutgoingField } from "./header-encoder";
import type { Headers } from "./headers";
import { takeIn } from "./input";
import { linger } from "./linger";
import { PeerSettings } from "./peer-settings";
import { ReceiveWindow } from "./receive-window";
import { Sender } from "./sender";
import type { Stream, StreamCarrier } from "./stream";

/** How much may be under way to here unread. */
export interface Windows {
  /** Of one stream, and of all. */
  readonly callBytes: number;
  readonly connectionBytes: number;
}

/** How long the other side may take to take what was said on a connection that has ended, and on one that is broken. */
const LEAVING_MS = 10_000;
const LEAVING_BROKEN_MS = 1000;

/** What both ends of a connection of HTTP/2 over TCP (RFC 9113) do alike. How streams begin and end is the work of each. */
export abstract class Connection implements StreamCarrier {
  protected readonly socket: Socket;
  protected readonly streams = new Map<number, Stream>();
  protected readonly sender: Sender;
  protected readonly reader: FrameReader;
  protected readonly streamWindowMax: number;
  /** The last stream that was begun: those above it are idle. */
  protected lastStreamId = 0;
  /** The last that the other side has begun and that was taken. */
  protected lastTakenId = 0;
  protected isClosing = false;
  protected isOver = false;
  /** What this end said or met that ended the connection, in words; null as long as nothing was. */
  protected fault: string | null = null;
  private readonly control: ControlFrames;
  private readonly window: ReceiveWindow;
  /** Who is told of the answers to our probes, in the order of these. */
  private readonly pings: (() => void)[] = [];
  private readonly onClose: (() => void)[] = [];
  /** All of its streams have ended, and so does it. */
  private isEnding = false;
  private isFlooded = false;

  /**
   * @param socket one that nothing was read from or written to
   * @param streamWindowMax how much of one stream may be under way to here unread, and of all of them
   * @param outgoing told how many bytes of data were given to be sent, and how many the transport has taken or never will
   */
  constructor(
    socket: Socket,
    streamWindowMax: number,
    connectionWindowMax: number,
    outgoing: { wrote(bytes: number): void; took(bytes: number): void },
  ) {
    this.socket = socket;
    this.streamWindowMax = streamWindowMax;
    this.window = new ReceiveWindow(connectionWindowMax);
    this.sender = new Sender(socket, {
      wrote: (bytes) => outgoing.wrote(bytes),
      took: (bytes) => outgoing.took(bytes),
      finished: (stream) => this.onSent(stream),
      flooded: () => this.destroySoon(),
    });
    this.reader = new FrameReader({
      dataBegun: (streamId, bytes, paddingBytes) => this.beginData(streamId, bytes, paddingBytes),
      data: (streamId, part, isLast) => this.takeData(streamId, part, isLast),
      frame: (type, flags, streamId, payload) => this.control.take(type, flags, streamId, payload),
    });
    const settings = new PeerSettings(this.sender, this.streams);
    this.control = new ControlFrames({
      headers: (streamId, endsStream, headers) => this.takeHeaders(streamId, endsStream, headers),
      reset: (streamId, code) => {
        this.checkBegun(streamId, "a reset of no stream");
        this.takeReset(this.streams.get(streamId), code);
      },
      window: (streamId, bytes) => this.takeWindow(streamId, bytes),
      setting: (id, value) => {
        if (!settings.heed(id, value)) this.onSetting(id, value);
      },
      settings: () => {
        this.sender.settingsAck();
        this.onSettings();
      },
      probe: (payload) => this.sender.ping(payload),
      probeAnswered: () => this.pings.shift()?.(),
      goaway: (lastTakenId, code) => this.takeGoaway(lastTakenId, code),
    });
    socket.setNoDelay();
    // Followed by "close".
    socket.on("error", (error) => {
      this.fault ??= wordsOf(error);
    });
    socket.on("close", () => this.conclude());
    socket.on("data", (chunk: Buffer) => takeIn(this.read, chunk));
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

  /** Ends at once, with all streams. Safe to call twice. @param why in words */
  destroy(why = "it was closed"): void {
    this.fault ??= why;
    this.socket.destroy();
    this.conclude();
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

  /** A header block has come, whole and in its order. */
  protected abstract takeHeaders(streamId: number, endsStream: boolean, headers: Headers): void;

  /** The other side takes leave. @param lastTakenId the last of our streams that it goes on with */
  protected abstract takeGoaway(lastTakenId: number, code: number): void;

  /** The other side has reset one of the streams that have begun, which may be over here. */
  protected abstract takeReset(stream: Stream | undefined, code: number): void;

  /** All of a stream is sent. */
  protected abstract onSent(stream: Stream): void;

  /** All of a stream has come. */
  protected abstract onRead(stream: Stream): void;

  /** A stream was reset for what the other side did. */
  protected abstract onRefused(): void;

  /** The other side has said what it takes, for the first time or anew. */
  protected abstract onSettings(): void;

  /** Nothing of the connection goes on. Told once, before its streams are closed where there are any. */
  protected abstract onLost(): void;

  /** Told once, behind the end of all streams. */
  protected abstract onOver(): void;

  /** One that only one of the two ends heeds. */
  protected abstract onSetting(id: number, value: number): void;

  /** What comes before the frames of the other side. @returns what comes behind it */
  protected abstract withoutPreface(chunk: Buffer): Buffer;

  /** @param own settings that only one of the two ends says */
  protected begin(own: readonly [id: number, value: number]): void {
    this.sender.settings([
      own,
      [setting.initialWindowSize, this.streamWindowMax],
      [setting.maxHeaderListSize, HEADER_LIST_BYTES_MAX],
    ]);
    const more = this.window.beyondDefault;
    if (more > 0) this.sender.windowUpdate(0, more);
  }

  /** Resets a stream for what the other side did. */
  protected refuse(stream: Stream, code: number): void {
    this.reset(stream, code);
    this.onRefused();
  }

  protected closeStream(stream: Stream, code: number | null): void {
    if (!this.streams.delete(stream.id)) return;
    this.sender.forget(stream);
    this.endStream(stream, code);
    this.endIfDone();
  }

  /** One that was forgotten just now. */
  protected endStream(stream: Stream, code: number | null): void {
    stream.close(code);
  }

  protected endIfDone(): void {
    if (!this.isClosing || this.isOver || this.isEnding || this.streams.size > 0) return;
    this.isEnding = true;
    // What it still says asks for nothing, and answers to it would be kept for no one.
    this.reader.stop();
    this.sender.finish();
    linger(this.socket, LEAVING_MS);
  }

  protected conclude(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.reader.stop();
    this.onLost();
    // Before those are told whose data was on its way, so that they say nothing more.
    for (const stream of [...this.streams.values()]) this.closeStream(stream, null);
    this.sender.stop();
    for (const run of this.onClose) run();
    this.onOver();
  }

  /** Who writes just now is not to find its stream gone while it does. */
  private destroySoon(): void {
    if (this.isFlooded) return;
    this.isFlooded = true;
    this.fault ??= "the other side reads no answers";
    this.reader.stop();
    setImmediate(() => this.destroy());
  }

  private readonly read = (chunk: Buffer): void => {
    if (this.isOver) return;
    try {
      const frames = this.withoutPreface(chunk);
      if (frames.length > 0) this.reader.push(frames);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.fail(error);
    }
  };

  private beginData(streamId: number, bytes: number, paddingBytes: number): void {
    this.control.checkTurn(frameType.data, streamId);
    this.checkBegun(streamId, "data of no stream");
    const credited = this.window.take(bytes);
    if (credited > 0) this.sender.windowUpdate(0, credited);
    const stream = this.streams.get(streamId);
    // One that is over here, which the other side need not know yet.
    if (stream === undefined) return;
    stream.receiveWindow -= bytes;
    if (stream.hasRemoteEnded) this.refuse(stream, errorCode.streamClosed);
    else if (!stream.hasRemoteHeaders) this.refuse(stream, errorCode.protocol);
    else if (stream.receiveWindow < 0) throw flowControlError();
    else if (paddingBytes > 0) this.credit(stream, paddingBytes);
  }

  private takeData(streamId: number, part: Buffer, isLast: boolean): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    stream.take(part, isLast);
    if (isLast) this.onRead(stream);
  }

  private takeWindow(streamId: number, bytes: number): void {
    if (streamId > this.lastStreamId) throw protocolError("a window of no stream");
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

  private checkBegun(streamId: number, fault: string): void {
    if (streamId === 0 || streamId > this.lastStreamId) throw protocolError(fault);
  }

  private fail(error: ConnectionError): void {
    if (this.isOver) return;
    this.fault ??= error.message;
    this.sender.goaway(this.lastTakenId, error.code);
    this.sender.finish();
    linger(this.socket, LEAVING_BROKEN_MS);
    this.conclude();
  }
}

/** A name may stand for several addresses, and each attempt fail by itself: what they fail with together has no words. */
function wordsOf(error: Error & { readonly errors?: readonly Error[] }): string {
  return error.errors === undefined ? error.message : error.errors.map((one) => one.message).join(", ");
}
