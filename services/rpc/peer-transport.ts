import { writeNow } from "@quorate/proto/http2";
import type { Log } from "#forward";
import type { MemberId, Message } from "#raft";
import type { Transport } from "#replica";
import { assert, type Random } from "#std";
import { FrameEncoder } from "./frame-codec";
import type { MemberRegister, PeerIdentity } from "./greeting";
import type { EntryTraces } from "./message-codec";
import { PeerLink, type PeerLinkBounds } from "./peer-link";

export interface PeerTransportOptions {
  readonly own: PeerIdentity;
  /** The other members and their peer addresses, host:port; see setPeers. */
  readonly peers: ReadonlyMap<MemberId, string>;
  readonly random: Random;
  readonly log: Log;
  /** A peer says that this node was removed from the cluster, in words. May be told more than once. */
  readonly onRemoved?: ((why: string) => void) | undefined;
  /** See PeerLinkOptions. May be told more than once. */
  readonly onDisowned?: ((why: string) => void) | undefined;
  readonly traces?: EntryTraces | undefined;
  readonly bounds?: Partial<PeerLinkBounds>;
}

/** The replica that a transport serves: made after it, for each needs the other. */
export interface TransportUser extends MemberRegister {
  reportUnreachable(peer: MemberId): void;
  reportReset(peer: MemberId): void;
}

/** Where strangers are answered that know more than this node: see PeerTransport.welcome. */
export interface GuestLinks {
  welcome(guest: MemberId, address: string): void;
  dismiss(guest: MemberId): void;
}

interface AddressedLink {
  readonly address: string;
  readonly link: PeerLink;
}

/** More strangers than a cluster has members are none that this node is merely yet to hear of. */
const GUESTS_MAX = 32;

/** The Transport port over one PeerLink to each other member. */
export class PeerTransport implements Transport, GuestLinks {
  private readonly options: PeerTransportOptions;
  private readonly frames: FrameEncoder;
  private readonly links = new Map<MemberId, AddressedLink>();
  private readonly guests = new Map<MemberId, string>();
  private peers: ReadonlyMap<MemberId, string>;
  private user: TransportUser | null = null;
  private isClosed = false;

  constructor(options: PeerTransportOptions) {
    this.options = options;
    this.frames = new FrameEncoder(options.traces);
    this.peers = options.peers;
  }

  /** Begins to connect. Before that, everything sent is dropped. */
  open(user: TransportUser): void {
    assert(this.user === null, "a transport is opened once");
    this.user = user;
    this.relink();
  }

  /** Who the other members are from now on: links that are wanted no longer are cut, and new ones made, as for new addresses. */
  setPeers(peers: ReadonlyMap<MemberId, string>): void {
    this.peers = new Map([...peers].filter(([peer]) => peer !== this.options.own.memberId));
    this.relink();
  }

  /**
   * A stranger introduced itself that has applied more changes of the membership than this node, and is to be answered
   * until it leaves: it may be the leader from whom this node is to hear of them.
   */
  welcome(guest: MemberId, address: string): void {
    if (this.guests.size >= GUESTS_MAX && !this.guests.has(guest)) return;
    this.guests.set(guest, address);
    this.relink();
  }

  dismiss(guest: MemberId): void {
    if (this.guests.delete(guest)) this.relink();
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) this.links.get(message.to)?.link.push(message);
    // In the order in which the links were made; each writes one frame of what this send and full streams left it.
    for (const { link } of this.links.values()) link.flush();
    // Before this node begins to write to its own log, and before it applies what is committed.
    writeNow();
  }

  /** Safe to call twice. */
  close(): void {
    this.isClosed = true;
    for (const { link } of this.links.values()) link.close();
    this.links.clear();
  }

  private relink(): void {
    const { user } = this;
    if (user === null || this.isClosed) return;
    const wanted = new Map([...this.guests, ...this.peers]);
    for (const [peer, { address, link }] of [...this.links]) {
      if (wanted.get(peer) === address) continue;
      link.close();
      this.links.delete(peer);
    }
    for (const [peer, address] of wanted) {
      if (!this.links.has(peer)) this.links.set(peer, { address, link: this.linkTo(peer, address, user) });
    }
  }

  private linkTo(peerId: MemberId, address: string, register: TransportUser): PeerLink {
    const { own, random, log, onRemoved, onDisowned, bounds } = this.options;
    return new PeerLink({
      own,
      peerId,
      address,
      register,
      random: random.fork(),
      log,
      onUnreachable: (peer) => register.reportUnreachable(peer),
      onReset: (peer) => register.reportReset(peer),
      onRemoved,
      onDisowned,
      frames: this.frames,
      ...(bounds === undefined ? {} : { bounds }),
    });
  }
}
