import type { Configuration, MemberId, Message, RaftStatus, Term } from "@quorate/services/raft";
import type { ReplicaStatus } from "@quorate/services/replica";
import { configurationText, isQuorum } from "./configurations";
import { broken } from "./invariant";

/** The part of a member's status that this looks at. */
export type SpaceStatus = Pick<ReplicaStatus, "isLowOnSpace" | "hasSpace"> & {
  readonly raft: Pick<RaftStatus, "term" | "configuration">;
};

/**
 * Whether writes are refused for want of space only where it is wanting (invariant 13). A leader looks now and then, and
 * what it is told is late: so whoever was low at any time of its leadership counts as low until that ends.
 */
export class LowSpace {
  /** Those that were low on space when they were last seen. */
  private readonly low = new Set<MemberId>();
  /** By member: the latest term in which it was low on space. */
  private readonly lowIn = new Map<MemberId, Term>();
  /** By leader: who told it in that term, the latest in which somebody did. */
  private readonly told = new Map<MemberId, { readonly term: Term; readonly members: Set<MemberId> }>();
  /** By leader: the term in which it refuses writes. */
  private readonly refusing = new Map<MemberId, Term>();

  /** @param isLow whether its sender is low on space now; it may have been only when it made the message */
  sent(message: Message, isLow: (member: MemberId) => boolean): void {
    if (message.kind !== "heartbeat_response" || !message.lowOnSpace) return;
    const { from, to, term } = message;
    if (this.wasLow(from, term) || isLow(from)) return;
    broken(
      "writes are refused only for want of space",
      `${from} tells ${to} that it is low on space, which it never was in term ${term}`,
    );
  }

  delivered(message: Message): void {
    if (message.kind !== "heartbeat_response" || !message.lowOnSpace) return;
    const { from, to, term } = message;
    const told = this.told.get(to);
    if (told === undefined || told.term < term) this.told.set(to, { term, members: new Set([from]) });
    else if (told.term === term) told.members.add(from);
  }

  /** @param leads the term that the replica takes itself to lead, of which the core may be ahead; null for none */
  stepped(member: MemberId, { isLowOnSpace, hasSpace, raft }: SpaceStatus, leads: Term | null): void {
    // What it did amid this event it may have done before its disk was or was not nearly full any more.
    if (isLowOnSpace || this.low.has(member)) this.noteLow(member, raft.term, isLowOnSpace);
    if (leads === null || hasSpace) this.refusing.delete(member);
    else if (this.refusing.get(member) !== leads) this.refuses(member, leads, raft.configuration);
  }

  private noteLow(member: MemberId, term: Term, isStill: boolean): void {
    this.lowIn.set(member, Math.max(term, this.lowIn.get(member) ?? 0));
    if (isStill) this.low.add(member);
    else this.low.delete(member);
  }

  /** Judged as it begins: by a later configuration there may be space, which it sees only when it looks again. */
  private refuses(leader: MemberId, term: Term, configuration: Configuration): void {
    this.refusing.set(leader, term);
    const told = this.told.get(leader);
    const low = new Set(told?.term === term ? told.members : []);
    if (this.wasLow(leader, term)) low.add(leader);
    if (!isQuorum(configuration, (id) => !low.has(id))) return;
    broken(
      "writes are refused only for want of space",
      `${leader}, leading term ${term}, refuses writes for want of space, though of ` +
        `${configurationText(configuration)} only ${[...low].sort().join(", ") || "nobody"} ` +
        "was low on it since that term began",
    );
  }

  private wasLow(member: MemberId, term: Term): boolean {
    return this.low.has(member) || (this.lowIn.get(member) ?? -1) >= term;
  }
}
