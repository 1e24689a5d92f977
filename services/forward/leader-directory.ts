import type { LeaderHint } from "@quorate/proto/kv";

/**
 * Who leads and where each member is reached, as far as is known here: from the node's own Raft, from Status polls and
 * from what nodes say when they refuse a call. It may be wrong at any time; the leader itself has the last word.
 */
export class LeaderDirectory {
  private readonly addresses = new Map<string, string>();
  private leaderId: string | null = null;
  private term = 0;

  /** @param members client addresses (host:port) by member id, where they are known beforehand */
  constructor(members: Iterable<readonly [memberId: string, address: string]> = []) {
    for (const [memberId, address] of members) this.addresses.set(memberId, address);
  }

  /** The leader, or null when none is known or its address is not. */
  get leader(): LeaderHint | null {
    if (this.leaderId === null) return null;
    const address = this.addresses.get(this.leaderId);
    return address === undefined ? null : { memberId: this.leaderId, address };
  }

  get knownLeaderId(): string | null {
    return this.leaderId;
  }

  /** host:port of a member's client services, or null when the member is unknown. */
  address(memberId: string): string | null {
    return this.addresses.get(memberId) ?? null;
  }

  /** All members whose address is known. */
  get members(): ReadonlyMap<string, string> {
    return this.addresses;
  }

  learnMember(memberId: string, address: string): void {
    this.addresses.set(memberId, address);
  }

  /**
   * Who the members are now: where whoever is not among them is reached is forgotten. Who leads is not, for a leader may be
   * known before the change that made it a member.
   */
  setAddresses(members: Iterable<readonly [memberId: string, address: string]>): void {
    this.addresses.clear();
    for (const [memberId, address] of members) this.addresses.set(memberId, address);
  }

  /**
   * A member's view: who leads, or nobody as far as it knows, in its term. What comes from an older term than what is
   * known is ignored; that a member of the same term knows no leader takes nothing from one who does.
   */
  learnLeader(leaderId: string | null, term: number): void {
    if (term < this.term) return;
    if (leaderId === null && term === this.term) return;
    this.term = term;
    this.leaderId = leaderId;
  }

  /** The view of the node itself, whose Raft knows best what it knows: it replaces what was known. */
  replaceLeader(leaderId: string | null, term: number): void {
    this.term = term;
    this.leaderId = leaderId;
  }

  /** A node refused a call and named the leader: newer than any poll, though without a term. */
  learnHint(hint: LeaderHint): void {
    if (hint.memberId === "" || hint.address === "") return;
    if (!this.addresses.has(hint.memberId)) this.addresses.set(hint.memberId, hint.address);
    this.leaderId = hint.memberId;
  }

  /** The member did not lead or did not answer: nobody leads until somebody says so. */
  forgetLeader(memberId: string): void {
    if (this.leaderId === memberId) this.leaderId = null;
  }
}
