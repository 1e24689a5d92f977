import type { ConfigurationState } from "@quorate/services/kv";
import type { HardState, MemberId, Message, Term } from "@quorate/services/raft";
import { configurationText, isQuorum } from "./configurations";
import { broken } from "./invariant";

/**
 * Who led and who voted, over all time (invariant 1). A vote is what a member promised to another or has stored, under
 * the directory that it had then: a wiped one starts anew, and it is others' duty not to listen to it.
 */
export class Elections {
  private readonly leaders = new Map<Term, MemberId>();
  /** "member directory term" to the candidate that it voted for. */
  private readonly votes = new Map<string, MemberId>();
  /** By "term candidate": whose votes arrived. */
  private readonly arrived = new Map<string, Set<MemberId>>();
  /** The highest term that was led. */
  private newestTerm: Term = 0;
  private latest: { readonly leader: MemberId; readonly term: Term } | null = null;

  constructor(
    private readonly cluster: {
      /** Those by which a member may count now: two while it takes up the second. */
      readonly configurationsOf: (member: MemberId) => readonly ConfigurationState[];
      /** The directory that a member has now. */
      readonly storeOf: (member: MemberId) => string;
      /** What a member has stored durably. */
      readonly hardStateOf: (member: MemberId) => HardState;
      readonly onElected: (term: Term) => void;
    },
  ) {}

  sent(message: Message): void {
    switch (message.kind) {
      case "vote_response":
        if (!message.rejected) this.voted(message.from, message.term, message.to, "promised");
        return;
      case "append":
      case "heartbeat":
        this.leads(message.from, message.term);
        return;
    }
  }

  delivered(message: Message): void {
    if (message.kind !== "vote_response" || message.rejected) return;
    const name = `${message.term} ${message.to}`;
    const voters = this.arrived.get(name);
    if (voters === undefined) this.arrived.set(name, new Set([message.from]));
    else voters.add(message.from);
  }

  /** The member has stored its vote. */
  stored(member: MemberId, { term, vote }: HardState): void {
    if (vote !== null) this.voted(member, term, vote, "stored");
  }

  leads(member: MemberId, term: Term): void {
    if (this.latest?.leader === member && this.latest.term === term) return;
    const leader = this.leaders.get(term);
    if (leader !== undefined && leader !== member) {
      broken("one leader a term", `${leader} and ${member} both lead term ${term}`);
    }
    if (leader === undefined) {
      this.leaders.set(term, member);
      this.newestTerm = Math.max(this.newestTerm, term);
      this.checkMajority(member, term);
      this.cluster.onElected(term);
    }
    this.latest = { leader: member, term };
  }

  /** The member reads by its lease at this moment: what is committed is known to it alone (thesis 6.4.1). */
  holdsLease(member: MemberId, term: Term): void {
    if (term === this.newestTerm) return;
    broken(
      "nobody else is elected during a lease",
      `${member}, leading term ${term}, holds a lease while ${this.leaders.get(this.newestTerm)} leads term ${this.newestTerm}`,
    );
  }

  private voted(member: MemberId, term: Term, candidate: MemberId, how: string): void {
    const name = `${member} ${this.cluster.storeOf(member)} ${term}`;
    const before = this.votes.get(name);
    if (before === undefined) {
      this.votes.set(name, candidate);
    } else if (before !== candidate) {
      broken(
        "one vote a term",
        `${member} voted for ${before} in term ${term} and then ${how} it to ${candidate}`,
      );
    }
  }

  /** Its own vote counts only once it is on its disk, as any other's. */
  private checkMajority(leader: MemberId, term: Term): void {
    const voters = new Set(this.arrived.get(`${term} ${leader}`));
    const own = this.cluster.hardStateOf(leader);
    if (own.term === term && own.vote === leader) voters.add(leader);
    const configurations = this.cluster.configurationsOf(leader);
    if (configurations.some((configuration) => isQuorum(configuration, (id) => voters.has(id)))) return;
    broken(
      "elected by a majority",
      `${leader} leads term ${term} by the votes of ${[...voters].sort().join(", ") || "nobody"}, no majority of ` +
        configurations.map(configurationText).join(", or of "),
    );
  }
}
