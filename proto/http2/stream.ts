import { errorCode } from "./frames";
import type { OutgoingField } from "./header-encoder";
import type { Headers } from "./headers";
import { KeptParts } from "./kept-parts";

/** What comes of a stream. Nothing does once it is closed. None of it may throw. */
export interface StreamListener {
  /**
   * What the other side says before its data, or behind it. Told of streams that were begun here.
   *
   * @param isLast whether it says nothing behind it: all that it has said before has come, but may be held
   */
  onHeaders?(headers: Headers, isLast: boolean): void;
  /** It views the chunk that it came in. */
  onData(bytes: Buffer): void;
  /** So many bytes are held more than before, since it is paused, or fewer where that is below 0. What is held at its end is not told. */
  onHeld?(bytes: number): void;
  /** The other side has said all. */
  onEnd(): void;
  /** There is room again, where a write said that there is none. */
  onDrained(): void;
  /** It is over. @param code of a reset, one of `errorCode`; null where its connection is lost */
  onClosed(code: number | null): void;
}

/** Data that waits for a window, or for the transport. */
export interface PendingData {
  readonly bytes: Uint8Array;
  sent: number;
  readonly taken: (() => void) | null;
}

/** The connection as its streams need it. */
export interface StreamCarrier {
  sendHeaders(stream: Stream, fields: readonly OutgoingField[]): void;
  sendData(stream: Stream, head: Uint8Array, body: Uint8Array, taken: (() => void) | null): void;
  reset(stream: Stream, code: number): void;
  /** What it was given of a stream has been taken care of, so that more may come. */
  credit(stream: Stream, bytes: number): void;
  /** Its trailers, or its end without any; what it has of data is sent. */
  sendEnd(stream: Stream): void;
  hasRoom(stream: Stream): boolean;
}

/** Where nothing else is asked for. */
const WRITE_AHEAD_BYTES_MAX = 256 * 1024;

/** One stream of a connection, both ways. */
export class Stream {
  /** 0 for one that is not begun yet. */
  id: number;
  /** How much of it may wait to be sent before it says that there is no room. */
  readonly writeAheadBytesMax: number;
  private readonly carrier: StreamCarrier;
  listener: StreamListener | null = null;
  /** How much the other side may send, and how much of what it has sent is taken care of and was not said yet. */
  receiveWindow: number;
  uncredited = 0;
  /** How much may be sent. Below 0 where the other side has made its windows smaller. */
  sendWindow: number;
  readonly pending: PendingData[] = [];
  pendingBytes = 0;
  /** The trailers, where they wait for data; empty where there are none; null before the end. */
  trailers: readonly OutgoingField[] | null = null;
  /** The headers of the other side have come: data may follow, and trailers. */
  hasRemoteHeaders = false;
  hasRemoteEnded = false;
  hasLocalEnded = false;
  isClosed = false;
  private isPaused = false;
  /** What came while it was paused. */
  private held: KeptParts | null = null;
  private isDelivering = false;
  isEndTold = false;

  constructor(
    id: number,
    carrier: StreamCarrier,
    receiveWindow: number,
    sendWindow: number,
    writeAheadBytesMax: number = WRITE_AHEAD_BYTES_MAX,
  ) {
    this.id = id;
    this.carrier = carrier;
    this.receiveWindow = receiveWindow;
    this.sendWindow = sendWindow;
    this.writeAheadBytesMax = writeAheadBytesMax;
  }

  /** Whether the other side has said all, and all of it was told. */
  get isReadToEnd(): boolean {
    return this.hasRemoteEnded && this.heldBytes === 0;
  }

  private get heldBytes(): number {
    return this.held === null ? 0 : this.held.length;
  }

  get hasRoom(): boolean {
    return this.pendingBytes < this.writeAheadBytesMax;
  }

  sendHeaders(fields: readonly OutgoingField[]): void {
    if (this.isClosed || this.hasLocalEnded) return;
    this.carrier.sendHeaders(this, fields);
  }

  /**
   * Not of nothing: it would wait for a window without an end.
   *
   * @param head goes right before the body; neither may change where they are still to be sent, which `taken` tells
   * @param taken called when the transport has taken it, or never will
   * @returns whether there is room for more; else `drained` tells
   */
  write(head: Uint8Array, body: Uint8Array, taken: (() => void) | null): boolean {
    if (this.isClosed || this.trailers !== null || this.hasLocalEnded) {
      if (taken !== null) process.nextTick(taken);
      return false;
    }
    if (head.length + body.length === 0) throw new Error("a stream was given nothing to send");
    this.carrier.sendData(this, head, body, taken);
    return this.carrier.hasRoom(this);
  }

  /** All is said. @param trailers none where empty */
  end(trailers: readonly OutgoingField[]): void {
    if (this.isClosed || this.trailers !== null || this.hasLocalEnded) return;
    this.trailers = trailers;
    if (this.pending.length === 0) this.carrier.sendEnd(this);
  }

  /** Safe to call twice. */
  reset(code: number = errorCode.cancel): void {
    if (!this.isClosed) this.carrier.reset(this, code);
  }

  /** What comes is held, and the other side not given more room. */
  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    if (this.isDelivering || (this.heldBytes === 0 && !this.hasRemoteEnded)) return;
    this.isDelivering = true;
    // Not from within what its owner does just now.
    process.nextTick(() => {
      this.isDelivering = false;
      this.deliverHeld();
    });
  }

  /** The connection has read a part of its data. */
  take(bytes: Buffer, isLast: boolean): void {
    if (isLast) this.hasRemoteEnded = true;
    if (this.isPaused || this.isDelivering) {
      if (bytes.length > 0) this.hold(bytes);
      return;
    }
    this.deliver(bytes);
    this.tellEndIfDue();
  }

  close(code: number | null): void {
    this.isClosed = true;
    this.held = null;
    this.pendingBytes = 0;
    this.listener?.onClosed(code);
    this.dropPending();
  }

  /** Nothing more of it comes or goes; what has come of it, which is all, is told still. */
  retire(): void {
    this.hasLocalEnded = true;
    this.dropPending();
  }

  private dropPending(): void {
    const { pending } = this;
    this.pendingBytes = 0;
    for (const { taken } of pending) taken?.();
    pending.length = 0;
  }

  private deliverHeld(): void {
    while (!this.isPaused && !this.isClosed) {
      const bytes = this.held === null ? null : this.held.shift();
      if (bytes === null) break;
      this.listener?.onHeld?.(-bytes.length);
      this.deliver(bytes);
    }
    this.tellEndIfDue();
  }

  private hold(bytes: Buffer): void {
    this.held ??= new KeptParts();
    this.held.push(bytes);
    this.listener?.onHeld?.(bytes.length);
  }

  private deliver(bytes: Buffer): void {
    if (bytes.length === 0 || this.isClosed) return;
    this.carrier.credit(this, bytes.length);
    this.listener?.onData(bytes);
  }

  private tellEndIfDue(): void {
    if (this.isEndTold || !this.isReadToEnd || this.isPaused || this.isClosed) return;
    this.isEndTold = true;
    this.listener?.onEnd();
  }
}
