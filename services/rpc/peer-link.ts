import type { EndStatus } from "@quorate/proto/calling";
import { ExchangeRequest, ExchangeResponse, PeerServiceDefinition } from "@quorate/proto/raft";
import { Status } from "nice-grpc-common";
import { type Log, methodPath } from "#forward";
import { OutgoingStream } from "#grpc";
import type { MemberId, Message } from "#raft";
import { assert, BoundedQueue, type Random } from "#std";
import { FrameEncoder } from "./frame-codec";
import {
  helloFault,
  helloTo,
  introductionOf,
  type MemberRegister,
  OTHER_STORE_PREFIX,
  type PeerIdentity,
  REMOVED_PREFIX,
} from "./greeting";
import { FRAME_BYTES_MAX, PEER_KEEPALIVE, PEER_MESSAGE_BYTES_MAX } from "./peer-options";

export interface PeerLinkOptions {
  readonly own: PeerIdentity;
  readonly peerId: MemberId;
  /** host:port */
  readonly address: string;
  readonly register: MemberRegister;
  readonly random: Random;
  readonly log: Log;
  /** Messages were lost: told at most once a turn, after it, so that nobody is called back from within a send. */
  readonly onUnreachable: (peer: MemberId) => void;
  /** The connection was made and has ended, and not by this side: told once, after that turn. */
  readonly onReset: (peer: MemberId) => void;
  /** The peer says that this node was removed from the cluster, in words. */
  readonly onRemoved?: ((why: string) => void) | undefined;
  /** The peer says that this member is bound to another data directory, in words; it may not know of a later one yet. */
  readonly onDisowned?: ((why: string) => void) | undefined;
  /** The one of all links of a node, so that what goes to each peer is encoded once. */
  readonly frames?: FrameEncoder | undefined;
  readonly bounds?: Partial<PeerLinkBounds>;
}

export interface PeerLinkBounds {
  readonly queueMessagesMax: number;
  readonly queueBytesMax: number;
  /** From the attempt to connect to the peer's hello. */
  readonly connectTimeoutMs: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
}

const DEFAULT_BOUNDS: PeerLinkBounds = {
  queueMessagesMax: 4096,
  queueBytesMax: 32 * 1024 * 1024,
  connectTimeoutMs: 2000,
  backoffMsMin: 50,
  backoffMsMax: 1000,
};

/** The bytes of a message beside its entries, at most, unless its context is long. */
const MESSAGE_OVERHEAD_BYTES = 64;
/** Term, index and lengths of an entry, as varints, at most. */
const ENTRY_OVERHEAD_BYTES = 32;

type Phase =
  /** Waits before the next attempt; what is sent meanwhile is dropped. */
  | { readonly kind: "waiting"; readonly timer: NodeJS.Timeout }
  /** Waits for the connection and the peer's hello; what is sent meanwhile is queued. */
  | {
      readonly kind: "greeting";
      readonly stream: OutgoingStream;
      readonly timer: NodeJS.Timeout;
    }
  | { readonly kind: "open"; readonly stream: OutgoingStream }
  | { readonly kind: "closed" };

/**
 * Sends this node's messages to one peer over one long-lived stream, in frames of all that is waiting. It never blocks:
 * a queue that is full drops, and Raft sends again. A stream that ends, or does not come about in time, is made anew on
 * a new connection.
 */
export class PeerLink {
  private readonly options: PeerLinkOptions;
  private readonly bounds: PeerLinkBounds;
  private readonly queue: BoundedQueue<Message>;
  private readonly frames: FrameEncoder;
  private queueBytes = 0;
  private isStreamFull = false;
  private isLossPlanned = false;
  private attempts = 0;
  /** The fault that was logged last, so that a peer that stays away is not a line a second. */
  private loggedFault: string | null = null;
  private phase: Phase;

  /** Begins to connect at once. */
  constructor(options: PeerLinkOptions) {
    this.options = options;
    this.bounds = { ...DEFAULT_BOUNDS, ...options.bounds };
    this.queue = new BoundedQueue(this.bounds.queueMessagesMax);
    this.frames = options.frames ?? new FrameEncoder();
    this.phase = { kind: "closed" };
    this.connect();
  }

  get isOpen(): boolean {
    return this.phase.kind === "open";
  }

  /** How many messages wait to be written. */
  get queuedMessages(): number {
    return this.queue.length;
  }

  /** Takes messages in order. Follow the last with flush(). */
  push(message: Message): void {
    if (this.phase.kind !== "open" && this.phase.kind !== "greeting") {
      this.reportLoss();
      return;
    }
    const bytes = messageBytes(message);
    const isFull =
      this.queue.isFull || (this.queueBytes > 0 && this.queueBytes + bytes > this.bounds.queueBytesMax);
    if (isFull) {
      this.reportLoss();
      return;
    }
    this.queue.push(message);
    this.queueBytes += bytes;
  }

  /** Writes frames until nothing waits or the stream wants a pause. */
  flush(): void {
    if (this.phase.kind !== "open") return;
    const { stream } = this.phase;
    while (!this.isStreamFull && this.queue.length > 0) {
      this.isStreamFull = !stream.write(this.frames.frame(this.takeFrame()));
    }
  }

  /** Safe to call twice. */
  close(): void {
    this.leavePhase();
    this.phase = { kind: "closed" };
    this.dropQueue();
  }

  private takeFrame(): Message[] {
    const frame: Message[] = [];
    let frameBytes = 0;
    for (let message = this.queue.peek(); message !== undefined; message = this.queue.peek()) {
      const bytes = messageBytes(message);
      if (frame.length > 0 && frameBytes + bytes > FRAME_BYTES_MAX) break;
      this.queue.shift();
      this.queueBytes -= bytes;
      frameBytes += bytes;
      frame.push(message);
    }
    assert(this.queueBytes >= 0, "the queue holds the bytes that were put into it");
    return frame;
  }

  private connect(): void {
    const { address, own, peerId, register } = this.options;
    const path = EXCHANGE_PATH;
    const messageBytesMax = PEER_MESSAGE_BYTES_MAX;
    const stream: OutgoingStream = new OutgoingStream(
      { address, path, messageBytesMax, keepalive: PEER_KEEPALIVE },
      {
        message: (bytes) => this.onMessage(stream, bytes),
        drained: () => this.onDrain(stream),
        ended: (said) => this.onEnd(stream, said),
      },
    );
    const { connectTimeoutMs } = this.bounds;
    const timer = setTimeout(
      () => this.fail(stream, `no answer within ${connectTimeoutMs} ms`),
      connectTimeoutMs,
    );
    this.phase = { kind: "greeting", stream, timer };
    const hello = helloTo(peerId, own, register.membership.epoch);
    stream.write(ExchangeRequest.encode({ frame: { $case: "hello", value: hello } }).finish());
  }

  private onEnd(stream: OutgoingStream, { code, details }: EndStatus): void {
    // A peer that refuses this node in words is there; else its system has closed what it held.
    const isRefusal = code === Status.FAILED_PRECONDITION;
    if (!isRefusal) this.planReset(stream);
    const why = code === Status.OK ? "the peer ended the stream" : details;
    if (!this.fail(stream, why) || !isRefusal) return;
    if (details.startsWith(REMOVED_PREFIX)) this.options.onRemoved?.(details.slice(REMOVED_PREFIX.length));
    if (details.startsWith(OTHER_STORE_PREFIX)) {
      this.options.onDisowned?.(details.slice(OTHER_STORE_PREFIX.length));
    }
  }

  private onMessage(stream: OutgoingStream, bytes: Buffer): void {
    // Only its hello is waited for.
    if (this.phase.kind !== "greeting" || this.phase.stream !== stream) return;
    let response: ExchangeResponse;
    try {
      response = ExchangeResponse.decode(bytes);
    } catch (error) {
      this.fail(stream, `what the peer answered cannot be read: ${(error as Error).message}`);
      return;
    }
    this.onResponse(stream, response);
  }

  private onResponse(stream: OutgoingStream, response: ExchangeResponse): void {
    if (this.phase.kind !== "greeting" || this.phase.stream !== stream) return;
    const { own, peerId, register, log, address } = this.options;
    const { hello } = response;
    if (hello === undefined) {
      this.fail(stream, "the peer did not introduce itself");
      return;
    }
    const fault =
      hello.memberId === peerId
        ? helloFault(hello, own, register)
        : `"${hello.memberId}" is not the member that was to be reached`;
    if (fault !== null) {
      this.fail(stream, `refused: ${fault}`);
      return;
    }
    register.noteIntroduction(introductionOf(hello));
    clearTimeout(this.phase.timer);
    this.phase = { kind: "open", stream };
    this.attempts = 0;
    this.loggedFault = null;
    this.isStreamFull = false;
    log.info({ peer: peerId, address }, "connected to peer");
    this.flush();
  }

  private onDrain(stream: OutgoingStream): void {
    if (this.phase.kind !== "open" || this.phase.stream !== stream) return;
    this.isStreamFull = false;
    this.flush();
  }

  /** Ends the stream and plans the next attempt, if it is still the present one: returned is whether it was. */
  private fail(stream: OutgoingStream, why: string): boolean {
    if (this.phase.kind !== "open" && this.phase.kind !== "greeting") return false;
    if (this.phase.stream !== stream) return false;
    const { peerId, address, log, random } = this.options;
    if (this.loggedFault !== why) {
      log.warn({ peer: peerId, address, reason: why }, "lost the link to a peer; trying again");
      this.loggedFault = why;
    }
    this.leavePhase();
    const { backoffMsMin, backoffMsMax } = this.bounds;
    const backoffMs = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(this.attempts, 10));
    this.attempts += 1;
    // Half fixed, half by chance, so that all peers of a restarted node do not come at once.
    const waitMs = backoffMs / 2 + (backoffMs / 2) * random.float();
    this.phase = { kind: "waiting", timer: setTimeout(() => this.connect(), waitMs) };
    this.dropQueue();
    this.reportLoss();
    return true;
  }

  private leavePhase(): void {
    const { phase } = this;
    if (phase.kind === "waiting" || phase.kind === "greeting") clearTimeout(phase.timer);
    if (phase.kind === "open" || phase.kind === "greeting") phase.stream.close();
  }

  private dropQueue(): void {
    this.queue.clear();
    this.queueBytes = 0;
  }

  /** To be called before the phase is left: a connection that never came about cannot be reset. */
  private planReset(stream: OutgoingStream): void {
    if (this.phase.kind !== "open" || this.phase.stream !== stream) return;
    setImmediate(() => {
      if (this.phase.kind !== "closed") this.options.onReset(this.options.peerId);
    });
  }

  private reportLoss(): void {
    if (this.isLossPlanned || this.phase.kind === "closed") return;
    this.isLossPlanned = true;
    setImmediate(() => {
      this.isLossPlanned = false;
      if (this.phase.kind !== "closed") this.options.onUnreachable(this.options.peerId);
    });
  }
}

const EXCHANGE_PATH = methodPath(PeerServiceDefinition, "exchange");

function messageBytes(message: Message): number {
  if (message.kind === "append") {
    let bytes = MESSAGE_OVERHEAD_BYTES;
    for (const entry of message.entries) bytes += entry.data.length + ENTRY_OVERHEAD_BYTES;
    return bytes;
  }
  if (message.kind === "propose") {
    let bytes = MESSAGE_OVERHEAD_BYTES;
    for (const { data } of message.proposals) bytes += data.length + ENTRY_OVERHEAD_BYTES;
    return bytes;
  }
  return MESSAGE_OVERHEAD_BYTES;
}
