import { ExchangeResponse, type Hello } from "@quorate/proto/raft";
import { Status } from "nice-grpc-common";
import type { Log } from "#forward";
import type { ServerCall } from "#grpc";
import type { MembershipState } from "#kv";
import type { Message } from "#raft";
import { decodeFrame, type PeerFrame } from "./frame-codec";
import {
  helloFault,
  helloTo,
  introductionOf,
  type MemberRegister,
  membershipFault,
  type PeerIdentity,
  REMOVED_PREFIX,
  refusalText,
  storeFault,
} from "./greeting";
import type { EntryTraces } from "./message-codec";
import type { GuestLinks } from "./peer-transport";

export interface PeerStreamOptions {
  readonly own: PeerIdentity;
  readonly replica: MemberRegister & { receive(messages: readonly Message[]): void };
  readonly guests?: GuestLinks | undefined;
  readonly log: Log;
  readonly traces?: EntryTraces | undefined;
  /** How long a new stream may stay without a hello. */
  readonly helloTimeoutMs?: number;
  /** How long a member that was removed is still heard on the stream that it has. */
  readonly removalGraceMs?: number;
}

const HELLO_TIMEOUT_MS_DEFAULT = 2000;

const REMOVAL_GRACE_MS_DEFAULT = 3000;

/** One peer's stream: first its hello, then its messages. */
export class PeerStream {
  private readonly stream: ServerCall;
  private readonly options: PeerStreamOptions;
  private readonly onEnd: () => void;
  private readonly timer: NodeJS.Timeout;
  private parting: NodeJS.Timeout | null = null;
  private hello: Hello | null = null;
  /** Under which the peer was last found to be one: the check is not made anew with every frame. */
  private checkedUnder: MembershipState | null = null;
  private isGuest = false;
  private hasEnded = false;

  constructor(stream: ServerCall, options: PeerStreamOptions, onEnd: () => void) {
    this.stream = stream;
    this.options = options;
    this.onEnd = onEnd;
    this.timer = setTimeout(
      () => this.refuse("it did not introduce itself in time"),
      options.helloTimeoutMs ?? HELLO_TIMEOUT_MS_DEFAULT,
    );
    stream.listen({
      message: (bytes) => this.onBytes(bytes),
      end: () => this.close(),
      cancelled: () => this.close(),
    });
  }

  /** Whose it is; null before it has introduced itself. */
  get peerId(): string | null {
    return this.hello?.memberId ?? null;
  }

  close(): void {
    if (this.hasEnded) return;
    this.finish();
    this.stream.end();
  }

  private onBytes(bytes: Buffer): void {
    if (this.hasEnded) return;
    let frame: PeerFrame;
    try {
      frame = decodeFrame(bytes, this.options.traces ?? null);
    } catch (error) {
      this.refuse(`what it sent is no frame: ${(error as Error).message}`, this.peerId ?? "");
      return;
    }
    this.onFrame(frame);
  }

  private onFrame(frame: PeerFrame): void {
    switch (frame.kind) {
      case "hello":
        this.greet(frame.hello);
        return;
      case "messages":
        this.receive(frame.messages);
        return;
      case "unknown":
        // A frame of a newer version: nothing in it is for us.
        return;
    }
  }

  private greet(hello: Hello): void {
    const { own, replica, log, guests } = this.options;
    if (this.hello !== null) {
      this.refuse("it introduced itself twice");
      return;
    }
    const { membership } = replica;
    const fault = helloFault(hello, own, replica);
    if (fault !== null) {
      this.refuse(fault, hello.memberId);
      return;
    }
    clearTimeout(this.timer);
    this.hello = hello;
    this.checkedUnder = membership;
    replica.noteIntroduction(introductionOf(hello));
    const isKnown = membership.members.some(({ memberId }) => memberId === hello.memberId);
    if (!isKnown && hello.peerAddress !== "") {
      this.isGuest = true;
      guests?.welcome(hello.memberId, hello.peerAddress);
    }
    const answer = { hello: helloTo(hello.memberId, own, membership.epoch) };
    this.stream.write(ExchangeResponse.encode(answer).finish());
    log.info({ peer: hello.memberId, address: this.stream.peer, isKnown }, "a peer connected");
  }

  private receive(messages: readonly (Message | null)[]): void {
    const { hello } = this;
    const { own, replica } = this.options;
    if (hello === null) {
      this.refuse("it sent messages before it introduced itself");
      return;
    }
    const fault = this.faultSince(hello);
    if (fault !== null && !fault.startsWith(REMOVED_PREFIX)) {
      this.refuse(fault, hello.memberId);
      return;
    }
    if (fault !== null) this.part(fault, hello.memberId);
    // A peer speaks for itself and to this node only.
    const addressed = messages.filter(
      (message): message is Message =>
        message !== null && message.from === hello.memberId && message.to === own.memberId,
    );
    replica.receive(addressed);
  }

  /** What has come to be wrong with the peer since it introduced itself. */
  private faultSince(hello: Hello): string | null {
    const { replica } = this.options;
    const { membership } = replica;
    if (membership !== this.checkedUnder) {
      const fault = membershipFault(hello, membership);
      if (fault !== null) return fault;
      this.checkedUnder = membership;
    }
    return storeFault(hello, replica);
  }

  /**
   * A leader that is removed may apply that later than those who stay, and hands over only then: to cut it off at once
   * would cost them an election timeout without a leader. What it says until then it says as a member.
   */
  private part(fault: string, peer: string): void {
    const { removalGraceMs = REMOVAL_GRACE_MS_DEFAULT } = this.options;
    this.parting ??= setTimeout(() => this.refuse(fault, peer), removalGraceMs);
  }

  private refuse(why: string, peer = ""): void {
    if (this.hasEnded) return;
    const { log } = this.options;
    log.warn({ peer, address: this.stream.peer, reason: why }, "refused a peer");
    this.finish();
    this.stream.fail({ code: Status.FAILED_PRECONDITION, details: refusalText(why) });
  }

  private finish(): void {
    this.hasEnded = true;
    clearTimeout(this.timer);
    if (this.parting !== null) clearTimeout(this.parting);
    if (this.isGuest && this.hello !== null) this.options.guests?.dismiss(this.hello.memberId);
    this.onEnd();
  }
}
