import type { MembershipState } from "#kv";
import type { MemberId, Message } from "#raft";
import type { Introduction, MemberAddresses, Transport } from "#replica";
import { assert, type Random } from "#std";
import { directionKey } from "./cuts";
import type { Delivery, Direction, NetworkFilter, Timers } from "./filter";
import { Interference, type NetworkControls } from "./interference";
import { Link } from "./link";

/** One member as the network sees it: the part of a Replica that peers reach, and who it says it is. */
export interface NetworkMember {
  readonly id: MemberId;
  /** The data directory that speaks for the member. */
  readonly storeId: string;
  /** Where it says that it is reached; null where it does not say. */
  readonly addresses: MemberAddresses | null;
  /** As it knows it now. */
  readonly membership: MembershipState;
  receive(messages: readonly Message[]): void;
  reportUnreachable(peer: MemberId): void;
  reportReset(peer: MemberId): void;
  memberStore(memberId: MemberId): string | null;
  noteIntroduction(introduction: Introduction): void;
  /** A peer refused it, for the cluster has removed the member whose data directory this is. */
  removed(): void;
}

/** Carries messages between replicas of one process, through filters. */
export interface NetworkPort extends NetworkControls {
  /** From now on messages to the member arrive; the Transport is how it sends. Not while it is attached. */
  attach(member: NetworkMember): Transport;
  /** Its process is gone: what is on its way to it is lost, and who sends to it is told that it is unreachable. */
  detach(id: MemberId): void;
  /** The connection breaks: what is on its way is lost, and the sender told that the other is unreachable. */
  reset(direction: Direction): void;
  /** The receiver has forgotten the connection and nobody tells: all is swallowed until healed, then it breaks. */
  halfOpen(direction: Direction): void;
  /** The connection is lost, and no attempt at a new one completes: the sender is told after its connect timeout. */
  refuseConnections(direction: Direction): void;
  /** Whether bytes get there: neither a cut nor a spoiled connection is in their way. For what is no message. */
  isOpen(direction: Direction): boolean;
}

export interface NetworkOptions {
  readonly timers: Timers;
  /** For filters that leave something to chance. */
  readonly random: Random;
  /** How long a sender waits for a connection that does not come about. Default 1000. */
  readonly connectTimeoutMs?: number;
}

/**
 * The network of a process that holds a whole cluster. It keeps the rules of the real peer links (services/rpc): a
 * directed link is one connection, so what is on its way when it breaks is lost; both ends introduce their data
 * directory at the first contact, and refuse one that the cluster has not bound to that member.
 *
 * Nothing takes time but what a filter delays. A message that a cut keeps away is lost without a word to its sender, as
 * where packets are dropped; one to a process that is gone is reported, as where its system answers for it.
 */
export class Network implements NetworkPort {
  private readonly timers: Timers;
  private readonly connectTimeoutMs: number;
  private readonly interference: Interference;
  private readonly members = new Map<MemberId, NetworkMember>();
  private readonly links = new Map<string, Link>();
  /** What leaves in the present call of send. */
  private departing: Flight[] | null = null;

  constructor({ timers, random, connectTimeoutMs = 1000 }: NetworkOptions) {
    this.timers = timers;
    this.connectTimeoutMs = connectTimeoutMs;
    this.interference = new Interference({ timers, random });
  }

  attach(member: NetworkMember): Transport {
    assert(!this.members.has(member.id), "a member runs once");
    this.members.set(member.id, member);
    return { send: (messages) => this.send(member, messages) };
  }

  detach(id: MemberId): void {
    this.members.delete(id);
    for (const link of this.links.values()) {
      if (link.direction.to !== id) continue;
      // A link that nobody answers on does not say that there is nobody left to.
      if (link.condition === "working") this.break(link);
      else link.disconnect();
    }
  }

  add(filter: NetworkFilter): () => void {
    return this.interference.add(filter);
  }

  partition(...groups: readonly (readonly MemberId[])[]): void {
    this.interference.partition(...groups);
    this.dropWhatIsCut();
  }

  isolate(id: MemberId): void {
    this.interference.isolate(id);
    this.dropWhatIsCut();
  }

  cut(direction: Direction): void {
    this.interference.cut(direction);
    this.dropWhatIsCut();
  }

  reset(direction: Direction): void {
    this.break(this.link(direction));
  }

  halfOpen(direction: Direction): void {
    this.spoil(this.link(direction), "half_open");
  }

  refuseConnections(direction: Direction): void {
    this.spoil(this.link(direction), "unanswered");
  }

  /**
   * For a process that hears of no leader, now and then: real links greet all that it knows though there is nothing to send
   * (services/rpc/peer-link.ts), by which it hears that it was removed.
   */
  greet(id: MemberId): void {
    const from = this.members.get(id);
    if (from === undefined) return;
    for (const to of this.members.values()) {
      if (to === from || !this.isOpen({ from: id, to: to.id })) continue;
      if (refusalOf(from, to) === "removed") this.tellRemoved(from, to);
    }
  }

  isOpen(direction: Direction): boolean {
    return !this.interference.isCut(direction) && this.link(direction).condition === "working";
  }

  mend(direction: Direction): void {
    this.interference.mend(direction);
    this.repair(this.link(direction));
  }

  heal(): void {
    this.interference.heal();
    for (const link of this.links.values()) this.repair(link);
  }

  clear(): void {
    this.heal();
    this.interference.clear();
  }

  private send(from: NetworkMember, messages: readonly Message[]): void {
    // What a process does after it was killed reaches nobody.
    if (this.members.get(from.id) !== from) return;
    const departing: Flight[] = [];
    this.departing = departing;
    for (const message of messages) {
      // A deposed leader passes on what another asked of it, in that one's name: a peer service takes nothing of the kind.
      if (message.from !== from.id) continue;
      this.interference.pass(message, (delivery) => this.depart(from, delivery));
    }
    this.departing = null;
    for (const flight of departing) this.launch(flight);
  }

  private depart(from: NetworkMember, { message, delayMs }: Delivery): void {
    const link = this.link(message);
    if (this.interference.isCut(link.direction)) return;
    switch (link.condition) {
      case "half_open":
        return;
      case "unanswered":
        this.tellAfterTimeout(link, from);
        return;
      case "working":
        break;
    }
    if (!this.members.has(message.to)) {
      this.tellLoss(link, from);
      return;
    }
    const { connection } = link;
    // What arrives together is received together, as from one frame of the real links.
    const together = this.departing?.find(
      (flight) => flight.link === link && flight.from === from && flight.delayMs === delayMs,
    );
    if (together !== undefined) {
      together.messages.push(message);
      return;
    }
    const flight = { link, connection, from, delayMs, messages: [message] };
    if (this.departing === null) this.launch(flight);
    else this.departing.push(flight);
  }

  private launch(flight: Flight): void {
    this.timers.after(flight.delayMs, () => this.arrive(flight));
  }

  private arrive({ link, connection, from, messages }: Flight): void {
    if (connection !== link.connection) return;
    const to = this.members.get(link.direction.to);
    assert(to !== undefined, "a connection to a process that is gone was broken");
    const refusal = refusalOf(from, to) ?? (this.isAttached(from) ? refusalOf(to, from) : null);
    if (refusal !== null) {
      this.tellLoss(link, from);
      if (refusal === "removed" && this.isAttached(from)) this.tellRemoved(from, to);
      return;
    }
    if (!link.isBetween(from, to)) {
      // It sends nothing before it has heard who the other is (services/rpc/peer-link.ts), and now it hears no more.
      if (!this.isAttached(from)) return;
      link.connect(from, to);
      to.noteIntroduction(introductionOf(from));
      from.noteIntroduction(introductionOf(to));
    }
    to.receive(messages);
  }

  /** Whichever of the two was removed hears of it, and from nowhere within its own calls. */
  private tellRemoved(from: NetworkMember, to: NetworkMember): void {
    const removed = refusalOf(from, to) === "removed" ? from : to;
    this.timers.after(0, () => {
      if (this.isAttached(removed)) removed.removed();
    });
  }

  private isAttached(member: NetworkMember): boolean {
    return this.members.get(member.id) === member;
  }

  private dropWhatIsCut(): void {
    for (const link of this.links.values()) {
      if (this.interference.isCut(link.direction)) link.disconnect();
    }
  }

  private break(link: Link): void {
    link.disconnect();
    const from = this.members.get(link.direction.from);
    if (from === undefined || this.interference.isCut(link.direction)) return;
    this.timers.after(0, () => {
      if (this.isAttached(from)) from.reportReset(link.direction.to);
    });
    this.tellLoss(link, from);
  }

  private spoil(link: Link, condition: "half_open" | "unanswered"): void {
    link.disconnect();
    link.condition = condition;
  }

  private repair(link: Link): void {
    const wasHalfOpen = link.condition === "half_open";
    link.condition = "working";
    if (wasHalfOpen) this.break(link);
  }

  /** Never from within a send, and once for all that was lost until then. */
  private tellLoss(link: Link, from: NetworkMember): void {
    if (!link.planLoss(from)) return;
    this.timers.after(0, () => {
      link.lossTold(from);
      if (this.isAttached(from)) from.reportUnreachable(link.direction.to);
    });
  }

  private tellAfterTimeout(link: Link, from: NetworkMember): void {
    if (!link.planTimeout(from)) return;
    this.timers.after(this.connectTimeoutMs, () => {
      link.timedOut(from);
      if (this.isAttached(from)) from.reportUnreachable(link.direction.to);
    });
  }

  private link({ from, to }: Direction): Link {
    const key = directionKey({ from, to });
    const known = this.links.get(key);
    if (known !== undefined) return known;
    const link = new Link({ from, to });
    this.links.set(key, link);
    return link;
  }
}

/**
 * Why `to` does not talk to who introduces itself as `from` does: the rules of services/rpc/greeting.ts. A stranger that
 * knows of more changes is let in, for then `to` is the ignorant one.
 */
function refusalOf(from: NetworkMember, to: NetworkMember): "refused" | "removed" | null {
  const { members, epoch, retiredStores } = to.membership;
  if (retiredStores.includes(from.storeId)) return "removed";
  const isMember = members.some(({ memberId }) => memberId === from.id);
  if (!isMember && from.membership.epoch <= epoch) return "refused";
  const recorded = to.memberStore(from.id);
  return recorded === null || recorded === from.storeId ? null : "refused";
}

function introductionOf({ id, storeId, addresses, membership }: NetworkMember): Introduction {
  return { memberId: id, storeId, addresses, epoch: membership.epoch };
}

/** Messages that arrive together. */
interface Flight {
  readonly link: Link;
  readonly connection: number;
  readonly from: NetworkMember;
  readonly delayMs: number;
  readonly messages: Message[];
}
