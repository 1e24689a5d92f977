import type { MemberId, Raft } from "#raft";
import { notApplied, type Proposals, type QueuedCommand } from "./proposals";

/** Proposes commands together. */
export class Proposer {
  constructor(
    private readonly parts: {
      readonly raft: Raft;
      readonly proposals: Proposals;
      /** Of commands that are proposed together. */
      readonly bytesMax: number;
      readonly leaderId: () => MemberId | null;
    },
  ) {}

  /** Gives them places in the log, as many at a time as may be proposed together, or settles them. */
  propose(commands: readonly QueuedCommand[]): void {
    let from = 0;
    while (from < commands.length) {
      let bytes = 0;
      let to = from;
      while (
        to < commands.length &&
        (to === from || bytes + commands[to]!.data.length <= this.parts.bytesMax)
      ) {
        bytes += commands[to]!.data.length;
        to += 1;
      }
      this.proposeTogether(commands.slice(from, to));
      from = to;
    }
  }

  private proposeTogether(commands: readonly QueuedCommand[]): void {
    const outcome = this.parts.raft.propose(commands.map((command) => command.data));
    switch (outcome.kind) {
      case "accepted":
        this.parts.proposals.placed(commands, outcome.first);
        return;
      case "not_leader":
        for (const command of commands) command.settle(notApplied("not_leader", outcome.leaderId));
        return;
      case "full":
        for (const command of commands) command.settle(notApplied("backlog_full", this.parts.leaderId()));
        return;
      case "transferring":
        for (const command of commands) command.settle(notApplied("transferring", outcome.target));
        return;
    }
  }
}
