import type { MemberId, Message } from "@quorate/services/raft";
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

  constructor(private readonly voterCount: number) {}

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
    if (2 * (confirming.length + 1) > this.voterCount) return;
    broken(
      "read quorum",
      `${leader}, leading term ${term}, answers the read ${context}, since whose arrival only ` +
        `${[leader, ...confirming].sort().join(", ")} of ${this.voterCount} members said that it leads`,
    );
  }
}
