import type { EntryId, MemberId, Message } from "@quorate/services/raft";
import { broken } from "./invariant";
import { type LogImage, termAt } from "./member-progress";

/**
 * Whether a vote goes to a log that is as new as the voter's (invariant 2; Raft paper, 5.4.1). Most votes for an older one
 * do no harm, for what the candidate lacks was not committed.
 */
export class VoteRule {
  /** By "candidate term": where the log of the candidate ends. */
  private readonly candidates = new Map<string, EntryId>();

  constructor(private readonly diskOf: (member: MemberId) => LogImage) {}

  sent(message: Message): void {
    switch (message.kind) {
      case "vote":
        this.candidates.set(`${message.from} ${message.term}`, message.last);
        return;
      case "vote_response":
        if (!message.rejected) this.voted(message.from, message.to, message.term);
    }
  }

  private voted(voter: MemberId, candidate: MemberId, term: number): void {
    const last = this.candidates.get(`${candidate} ${term}`);
    if (last === undefined) return;
    const disk = this.diskOf(voter);
    const own = { index: disk.lastIndex, term: termAt(disk, disk.lastIndex) };
    // It may have written what the winner sent it since.
    if (own.term >= term) return;
    if (last.term > own.term || (last.term === own.term && last.index >= own.index)) return;
    broken(
      "a vote goes to a log as new",
      `${voter}, whose log ends at ${own.term}/${own.index}, votes in term ${term} for ${candidate}, whose log ends at ` +
        `${last.term}/${last.index}`,
    );
  }
}
