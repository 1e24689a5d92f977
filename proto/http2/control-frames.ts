import { flag, frameSizeError, frameType, protocolError, WINDOW_BYTES_MAX } from "./frames";
import { HeaderBlocks } from "./header-blocks";
import type { Headers } from "./headers";

/** What frames say that carry no data. All of it may throw a ConnectionError. */
export interface ControlListener {
  /** A header, whole and in its order. */
  headers(streamId: number, endsStream: boolean, headers: Headers): void;
  reset(streamId: number, code: number): void;
  /** @param streamId 0 for the connection */
  window(streamId: number, bytes: number): void;
  setting(id: number, value: number): void;
  /** All of the settings of a frame were told. */
  settings(): void;
  /** The other side probes us. */
  probe(payload: Buffer): void;
  /** It has answered the first of our probes that it had not. */
  probeAnswered(): void;
  /** @param lastTakenId the last of our streams that it goes on with */
  goaway(lastTakenId: number, code: number): void;
}

/** Takes apart the frames that carry no data. Each method throws a ConnectionError, as do those that it tells. */
export class ControlFrames {
  private readonly listener: ControlListener;
  private readonly blocks: HeaderBlocks;
  private hasSettings = false;

  constructor(listener: ControlListener) {
    this.listener = listener;
    this.blocks = new HeaderBlocks((streamId, endsStream, headers) =>
      listener.headers(streamId, endsStream, headers),
    );
  }

  /** Of frames with data too: whether one of this type and stream may come now. */
  checkTurn(type: number, streamId: number): void {
    if (!this.hasSettings && type !== frameType.settings) throw protocolError("a frame before the settings");
    this.blocks.checkTurn(type, streamId);
  }

  take(type: number, flags: number, streamId: number, payload: Buffer): void {
    this.checkTurn(type, streamId);
    switch (type) {
      case frameType.headers:
        if (streamId % 2 === 0) throw protocolError("a stream that has an even number");
        this.blocks.begin(flags, streamId, payload);
        return;
      case frameType.continuation:
        this.blocks.goOn(flags, payload);
        return;
      case frameType.rstStream:
        if (payload.length !== CODE_BYTES) throw frameSizeError();
        this.listener.reset(streamId, payload.readUInt32BE(0));
        return;
      case frameType.settings:
        this.takeSettings(flags, streamId, payload);
        return;
      case frameType.ping:
        this.takePing(flags, streamId, payload);
        return;
      case frameType.windowUpdate:
        if (payload.length !== WINDOW_UPDATE_BYTES) throw frameSizeError();
        this.listener.window(streamId, payload.readUInt32BE(0) & WINDOW_BYTES_MAX);
        return;
      case frameType.goaway:
        if (streamId !== 0) throw protocolError("a farewell of a stream");
        if (payload.length < GOAWAY_BYTES_MIN) throw frameSizeError();
        this.listener.goaway(payload.readUInt32BE(0) & WINDOW_BYTES_MAX, payload.readUInt32BE(4));
        return;
      case frameType.priority:
        if (streamId === 0) throw protocolError("a priority of the connection");
        return;
      case frameType.pushPromise:
        throw protocolError("a promise that nobody may make");
      default:
        // A kind that is not known means nothing.
        return;
    }
  }

  private takeSettings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw protocolError("settings of a stream");
    const isAck = (flags & flag.ack) !== 0;
    if (payload.length % SETTING_BYTES !== 0 || (isAck && payload.length > 0)) throw frameSizeError();
    if (isAck) return;
    this.hasSettings = true;
    for (let at = 0; at < payload.length; at += SETTING_BYTES) {
      this.listener.setting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
    this.listener.settings();
  }

  private takePing(flags: number, streamId: number, payload: Buffer): void {
    if (payload.length !== PING_BYTES) throw frameSizeError();
    if (streamId !== 0) throw protocolError("a probe of a stream");
    if ((flags & flag.ack) === 0) this.listener.probe(payload);
    else this.listener.probeAnswered();
  }
}

const CODE_BYTES = 4;
const SETTING_BYTES = 6;
const PING_BYTES = 8;
const WINDOW_UPDATE_BYTES = 4;
const GOAWAY_BYTES_MIN = 8;
