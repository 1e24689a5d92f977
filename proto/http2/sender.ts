import type { Socket } from "node:net";
import {
  FRAME_BYTES_MAX,
  FRAME_HEAD_BYTES,
  flag,
  frameType,
  PREFACE,
  WINDOW_BYTES_DEFAULT,
  WINDOW_BYTES_MAX,
} from "./frames";
import { HeaderEncoder, type OutgoingField } from "./header-encoder";
import { type Writer, writeAfterInput, writeLater } from "./input";
import { OutgoingBytes } from "./outgoing-bytes";
import type { Stream } from "./stream";

/** What comes of sending. */
export interface SenderListener {
  /** Bytes of data were given to be sent; they were taken by the transport, or never will be. */
  wrote(bytes: number): void;
  took(bytes: number): void;
  /** All of a stream has been given to the transport, its end with it. */
  finished(stream: Stream): void;
  /** More was to be answered, beside data, than is kept for who does not read it. */
  flooded(): void;
}

/** How much is given to the transport at once. Data waits in its streams beyond that, so that what is reset is not sent. */
const GATHERED_BYTES_MAX = 256 * 1024;

/** How much of one stream goes before another one has its turn. */
const TURN_BYTES_MAX = 64 * 1024;

/** Of what does not wait for a window. */
const UNREAD_BYTES_MAX = 8 * 1024 * 1024;

/**
 * Sends frames. What streams say while something is taken in leaves in one write behind that; what is said else when the
 * callback that brought it about has ended, with all promises that settle by it.
 */
export class Sender implements Writer {
  /** How much of a new stream may be sent. */
  initialWindow = WINDOW_BYTES_DEFAULT;
  private readonly socket: Socket;
  private readonly listener: SenderListener;
  private readonly encoder = new HeaderEncoder();
  private readonly out = new OutgoingBytes();
  private window = WINDOW_BYTES_DEFAULT;
  /** Those that have data to send, and a window for it. */
  private readonly waiting = new Set<Stream>();
  /** Those that were told that there is no room. */
  private readonly full = new Set<Stream>();
  /** Of the data that is gathered: its bytes, and who is to be told when it is taken. Then of what the transport has. */
  private gatheredBytes = 0;
  private gatheredTaken: (() => void)[] = [];
  private transitBytes = 0;
  private transitTaken: readonly (() => void)[] = NOBODY;
  /** Whose data was added last, and where its frame begins in the slab: its end can be said there. Null where something followed. */
  private newestData: Stream | null = null;
  private newestDataAt = 0;
  private isInTransit = false;
  private isPlanned = false;
  /** Whether it is written behind the input that is being taken in. */
  private isDue = false;
  private isFinished = false;
  private isOver = false;

  constructor(socket: Socket, listener: SenderListener) {
    this.socket = socket;
    this.listener = listener;
  }

  /** How the end begins that begins the streams. */
  preface(): void {
    this.planFlush(false);
    const at = this.out.reserve(PREFACE.length);
    this.out.slab.set(PREFACE, at);
    this.out.commit(at + PREFACE.length);
  }

  settings(values: readonly (readonly [id: number, value: number])[]): void {
    let at = this.begin(values.length * SETTING_BYTES, frameType.settings, 0, 0);
    for (const [id, value] of values) {
      at = this.out.slab.writeUInt16BE(id, at);
      at = this.out.slab.writeUInt32BE(value, at);
    }
    this.out.commit(at);
  }

  settingsAck(): void {
    this.out.commit(this.begin(0, frameType.settings, flag.ack, 0));
  }

  /** @param payload of the probe that it answers; null for one of ours */
  ping(payload: Buffer | null): void {
    const at = this.begin(PING_BYTES, frameType.ping, payload === null ? 0 : flag.ack, 0);
    if (payload === null) this.out.slab.fill(0, at, at + PING_BYTES);
    else this.out.slab.set(payload, at);
    this.out.commit(at + PING_BYTES);
  }

  windowUpdate(streamId: number, bytes: number): void {
    const at = this.begin(4, frameType.windowUpdate, 0, streamId);
    this.out.commit(this.out.slab.writeUInt32BE(bytes, at));
  }

  rstStream(streamId: number, code: number): void {
    const at = this.begin(4, frameType.rstStream, 0, streamId);
    this.out.commit(this.out.slab.writeUInt32BE(code, at));
  }

  goaway(lastStreamId: number, code: number): void {
    const at = this.begin(8, frameType.goaway, 0, 0);
    this.out.slab.writeUInt32BE(lastStreamId, at);
    this.out.commit(this.out.slab.writeUInt32BE(code, at + 4));
  }

  /** Of any length. */
  headers(streamId: number, fields: readonly OutgoingField[], endsStream: boolean): void {
    const { encoder, out } = this;
    const bytesMax = encoder.bytesMax(fields);
    const ending = endsStream ? flag.endStream : 0;
    if (bytesMax <= FRAME_BYTES_MAX) {
      const at = this.begin(bytesMax, frameType.headers, ending | flag.endHeaders, streamId);
      const end = encoder.encode(fields, out.slab, at);
      writeLength(out.slab, at - FRAME_HEAD_BYTES, end - at);
      out.commit(end);
      return;
    }
    const block = Buffer.allocUnsafe(bytesMax);
    const end = encoder.encode(fields, block, 0);
    for (let from = 0; from < end; from += FRAME_BYTES_MAX) {
      const part = block.subarray(from, Math.min(end, from + FRAME_BYTES_MAX));
      const type = from === 0 ? frameType.headers : frameType.continuation;
      const last = from + part.length === end ? flag.endHeaders : 0;
      const at = this.begin(part.length, type, (from === 0 ? ending : 0) | last, streamId);
      out.slab.set(part, at);
      out.commit(at + part.length);
    }
  }

  /** Sends data when there is a window for it. */
  data(stream: Stream, head: Uint8Array, body: Uint8Array, taken: (() => void) | null): void {
    const bytes = head.length + body.length;
    this.listener.wrote(bytes);
    const mayGo = stream.pending.length === 0 && this.out.length < GATHERED_BYTES_MAX;
    if (mayGo && bytes <= Math.min(stream.sendWindow, this.window, FRAME_BYTES_MAX)) {
      const at = this.begin(bytes, frameType.data, 0, stream.id);
      this.out.slab.set(head, at);
      this.out.slab.set(body, at + head.length);
      this.out.commit(at + bytes);
      this.newestData = stream;
      this.newestDataAt = at - FRAME_HEAD_BYTES;
      this.spend(stream, bytes);
      this.gatheredBytes += bytes;
      if (taken !== null) this.gatheredTaken.push(taken);
      return;
    }
    stream.pending.push({ bytes: Buffer.concat([head, body]), sent: 0, taken });
    stream.pendingBytes += bytes;
    this.wake(stream);
  }

  /** Sends the end of a stream that has no data any more. */
  end(stream: Stream): void {
    const { id, trailers } = stream;
    if (trailers !== null && trailers.length > 0) this.headers(id, trailers, true);
    else if (this.newestData === stream) this.out.slab[this.newestDataAt + 4] = flag.endStream;
    else this.out.commit(this.begin(0, frameType.data, flag.endStream, id));
    stream.hasLocalEnded = true;
    this.listener.finished(stream);
  }

  /** Whether more should be given of a stream; if not, it hears when it should. */
  hasRoom(stream: Stream): boolean {
    if (stream.hasRoom) return true;
    this.full.add(stream);
    return false;
  }

  /** The other side takes so much more. @returns whether it may */
  widen(bytes: number): boolean {
    this.window += bytes;
    if (this.waiting.size > 0) this.planFlush(true);
    return this.window <= WINDOW_BYTES_MAX;
  }

  widenStream(stream: Stream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.pending.length > 0) this.wake(stream);
    return stream.sendWindow <= WINDOW_BYTES_MAX;
  }

  setTableBytesMax(bytesMax: number): void {
    this.encoder.setTableBytesMax(bytesMax);
  }

  /** Sends nothing more of it. */
  forget(stream: Stream): void {
    this.waiting.delete(stream);
    this.full.delete(stream);
    let unsent = 0;
    for (const { bytes } of stream.pending) unsent += bytes.length;
    if (unsent > 0) this.listener.took(unsent);
  }

  /** Gives all that was said to the transport, and ends it behind that. */
  finish(): void {
    if (this.isOver || this.isFinished) return;
    this.isInTransit = false;
    this.flush();
    this.isFinished = true;
    this.socket.end();
  }

  /** The transport is gone. Safe to call twice. */
  stop(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.listener.took(this.gatheredBytes + this.transitBytes);
    for (const taken of [...this.transitTaken, ...this.gatheredTaken]) taken();
  }

  flush(): void {
    this.isPlanned = false;
    this.isDue = false;
    if (this.isOver || this.isFinished || this.isInTransit) return;
    this.gather();
    this.newestData = null;
    const parts = this.out.take();
    if (parts.length === 0) return;
    this.isInTransit = true;
    this.transitBytes += this.gatheredBytes;
    this.transitTaken =
      this.transitTaken.length === 0 ? this.gatheredTaken : [...this.transitTaken, ...this.gatheredTaken];
    this.gatheredBytes = 0;
    this.gatheredTaken = [];
    const last = parts.length - 1;
    if (last > 0) this.socket.cork();
    for (let at = 0; at < last; at += 1) this.socket.write(parts[at] as Buffer);
    this.socket.write(parts[last] as Buffer, this.taken);
    if (last > 0) this.socket.uncork();
  }

  private readonly taken = (): void => {
    if (this.isOver) return;
    this.isInTransit = false;
    // Where it is finished, another write follows this one.
    if (!this.isFinished) this.out.recycle();
    const { transitBytes, transitTaken } = this;
    this.transitBytes = 0;
    this.transitTaken = NOBODY;
    this.listener.took(transitBytes);
    for (const taken of transitTaken) taken();
    if (this.out.length > 0 || this.waiting.size > 0) this.flush();
    for (const stream of this.full) {
      if (!stream.hasRoom) continue;
      this.full.delete(stream);
      stream.listener?.onDrained();
    }
  };

  /** Takes data of streams that wait, in turn, as far as the windows go. */
  private gather(): void {
    for (const stream of this.waiting) {
      if (this.window <= 0 || this.out.length >= GATHERED_BYTES_MAX) return;
      this.waiting.delete(stream);
      this.gatherOf(stream);
      if (stream.pending.length === 0) {
        if (stream.trailers !== null) this.end(stream);
      } else if (stream.sendWindow > 0) {
        this.waiting.add(stream);
      }
    }
  }

  private gatherOf(stream: Stream): void {
    const { pending } = stream;
    let turnBytes = Math.min(TURN_BYTES_MAX, this.window);
    while (pending.length > 0) {
      const next = pending[0] as (typeof pending)[number];
      const left = next.bytes.length - next.sent;
      const bytes = Math.min(left, stream.sendWindow, turnBytes, FRAME_BYTES_MAX);
      if (bytes <= 0) return;
      const at = this.begin(bytes, frameType.data, 0, stream.id);
      this.out.slab.set(next.bytes.subarray(next.sent, next.sent + bytes), at);
      this.out.commit(at + bytes);
      this.newestData = stream;
      this.newestDataAt = at - FRAME_HEAD_BYTES;
      this.spend(stream, bytes);
      turnBytes -= bytes;
      next.sent += bytes;
      stream.pendingBytes -= bytes;
      if (bytes < left) continue;
      pending.shift();
      // Not by its parts: it is kept until the last of them is taken.
      this.gatheredBytes += next.bytes.length;
      if (next.taken !== null) this.gatheredTaken.push(next.taken);
    }
  }

  private spend(stream: Stream, bytes: number): void {
    stream.sendWindow -= bytes;
    this.window -= bytes;
  }

  private wake(stream: Stream): void {
    if (stream.sendWindow <= 0) return;
    this.waiting.add(stream);
    this.planFlush(true);
  }

  /** The head of a frame, and room for what follows. @returns where that begins in the slab */
  private begin(bytes: number, type: number, flags: number, streamId: number): number {
    this.planFlush(type === frameType.data || type === frameType.headers);
    this.newestData = null;
    const { out } = this;
    const at = out.reserve(FRAME_HEAD_BYTES + bytes);
    const { slab } = out;
    writeLength(slab, at, bytes);
    slab[at + 3] = type;
    slab[at + 4] = flags;
    slab[at + 5] = streamId >>> 24;
    slab[at + 6] = streamId >>> 16;
    slab[at + 7] = streamId >>> 8;
    slab[at + 8] = streamId;
    return at + FRAME_HEAD_BYTES;
  }

  /** @param isOfStream whether a stream says it: what the connection says by itself, such as of windows, goes with what follows */
  private planFlush(isOfStream: boolean): void {
    if (this.isInTransit) {
      if (this.out.length > UNREAD_BYTES_MAX) this.listener.flooded();
      return;
    }
    if (this.isDue) return;
    this.isDue = isOfStream && writeAfterInput(this);
    if (this.isDue || this.isPlanned) return;
    this.isPlanned = true;
    writeLater(this);
  }
}

const SETTING_BYTES = 6;
const PING_BYTES = 8;
const NOBODY: readonly (() => void)[] = [];

function writeLength(slab: Buffer, at: number, bytes: number): void {
  slab[at] = bytes >>> 16;
  slab[at + 1] = bytes >>> 8;
  slab[at + 2] = bytes;
}
