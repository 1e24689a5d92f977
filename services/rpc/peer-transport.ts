import type { Log } from "#forward";
import type { MemberId, Message } from "#raft";
import type { Transport } from "#replica";
import type { Random } from "#std";
import type { PeerIdentity, StoreRegister } from "./greeting";
import { PeerLink, type PeerLinkBounds } from "./peer-link";

export interface PeerTransportOptions {
  readonly own: PeerIdentity;
  /** The other members and their peer addresses, host:port. */
  readonly peers: ReadonlyMap<MemberId, string>;
  readonly random: Random;
  readonly log: Log;
  readonly bounds?: Partial<PeerLinkBounds>;
}

/** The replica that a transport serves: made after it, for each needs the other. */
export interface TransportUser extends StoreRegister {
  reportUnreachable(peer: MemberId): void;
}

/** The Transport port over one PeerLink to each other member. */
export class PeerTransport implements Transport {
  private readonly options: PeerTransportOptions;
  private readonly links = new Map<MemberId, PeerLink>();

  constructor(options: PeerTransportOptions) {
    this.options = options;
  }

  /** Begins to connect. Before that, everything sent is dropped. */
  open(user: TransportUser): void {
    const { own, random, log, bounds } = this.options;
    for (const [peerId, address] of this.options.peers) {
      const onUnreachable = (peer: MemberId): void => user.reportUnreachable(peer);
      const link = new PeerLink({
        own,
        peerId,
        address,
        stores: user,
        random: random.fork(),
        log,
        onUnreachable,
        ...(bounds === undefined ? {} : { bounds }),
      });
      this.links.set(peerId, link);
    }
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) this.links.get(message.to)?.push(message);
    // In the order in which the links were made; each writes one frame of what this send and full streams left it.
    for (const link of this.links.values()) link.flush();
  }

  /** Safe to call twice. */
  close(): void {
    for (const link of this.links.values()) link.close();
    this.links.clear();
  }
}
