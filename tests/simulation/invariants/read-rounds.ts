import type { ConfigurationState } from "@quorate/services/kv";
import type { MemberId, Message } from "@quorate/services/raft";
import { configurationText, isQuorum } from "./configurations";
import { broken } from "./invariant";

/**
 * Whether a leader that answers another member's read has asked a majority since whether it still leads (invariant 3;
 * thesis 6.4). That nobody else led meanwhile, so that the answer was right all the same, does not count.
 */
export class ReadRounds {
  /** Counts messages. */
  private now = 0;
  /** When a read came to where it was to be answered, by its context. */
  private readonly arrived = new Map<string, number>();
  /** By "leader term sequence": when a heartbeat first asked. */
  private readonly asked = new Map<string, number>();
  /** By "leader term", then by member: when the latest of the heartbeats that it answered first asked. */
  private readonly confirmed = new Map<string, Map<MemberId, number>>();

  /** @param configurationsOf those by which a member may count now: two while it takes up the second */
  constructor(private readonly configurationsOf: (member: MemberId) => readonly ConfigurationState[]) {}

  sent(message: Message): void {
    this.now += 1;
    switch (message.kind) {
      case "heartbeat": {
        if (message.readSequence === 0) return;
        const name = `${message.from} ${message.term} ${message.readSequence}`;
        if (!this.asked.has(name)) this.asked.set(name, this.now);
        return;
      }
      case "read_index_response":
        this.answered(message.from, message.term, message.context);
    }
  }

  delivered(message: Message): void {
    this.now += 1;
    switch (message.kind) {
      case "read_index":
        if (!this.arrived.has(message.context)) this.arrived.set(message.context, this.now);
        return;
      case "heartbeat_response": {
        const leader = `${message.to} ${message.term}`;
        const asked = this.asked.get(`${leader} ${message.readSequence}`);
        if (asked === undefined) return;
        const members = this.confirmed.get(leader) ?? new Map<MemberId, number>();
        this.confirmed.set(leader, members);
        members.set(message.from, Math.max(asked, members.get(message.from) ?? 0));
      }
    }
  }

  private answered(leader: MemberId, term: number, context: string): void {
    const arrived = this.arrived.get(context);
    if (arrived === undefined) return;
    const members = this.confirmed.get(`${leader} ${term}`) ?? new Map<MemberId, number>();
    const confirming = [...members].filter(([, asked]) => asked > arrived).map(([id]) => id);
    const isCounted = (id: MemberId): boolean => id === leader || confirming.includes(id);
    const configurations = this.configurationsOf(leader);
    if (configurations.some((configuration) => isQuorum(configuration, isCounted))) return;
    broken(
      "read quorum",
      `${leader}, leading term ${term}, answers the read ${context}, since whose arrival only ` +
        `${[leader, ...confirming].sort().join(", ")} said that it leads, where ` +
        `${configurations.map(configurationText).join(", or ")} vote`,
    );
  }
}
