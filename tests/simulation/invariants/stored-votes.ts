import type { HardState, MemberId, Message, Term } from "@quorate/services/raft";
import { broken } from "./invariant";

/**
 * Whether a vote is on disk when its owner speaks of it (invariant 1; thesis 3.8). What a crash would make of one that
 * is not takes many coincidences to show, so it is looked at when the message leaves.
 */
export class StoredVotes {
  constructor(private readonly hardStateOf: (member: MemberId) => HardState) {}

  sent(message: Message): void {
    switch (message.kind) {
      case "vote_response":
        if (!message.rejected) this.gave(message.from, message.term, message.to);
        return;
      case "vote":
        this.gave(message.from, message.term, message.from);
    }
  }

  private gave(member: MemberId, term: Term, candidate: MemberId): void {
    const stored = this.hardStateOf(member);
    // It may have gone on to a later term since, and stored that in the same write.
    if (stored.term > term || (stored.term === term && stored.vote === candidate)) return;
    broken(
      "a vote is stored before it is given",
      `${member} gives ${candidate} its vote in term ${term}, but has stored term ${stored.term} with a vote for ` +
        `${stored.vote ?? "nobody"}`,
    );
  }
}
