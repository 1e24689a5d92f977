import type { Answer } from "#kv";
import type { EntryId, Index, MemberId, Term } from "#raft";
import { assert, BoundedQueue } from "#std";
import type { NotAppliedReason, SubmitOutcome, UnknownReason } from "./outcome";

/** A command that waits to be proposed. */
export interface QueuedCommand {
  readonly data: Uint8Array;
  /** Called once, perhaps before it is queued. Must not throw, nor call the replica. */
  settle(outcome: SubmitOutcome): void;
}

interface PendingCommand {
  readonly index: Index;
  readonly term: Term;
  readonly command: QueuedCommand;
}

/**
 * The commands between submit() and their outcome: first queued for the next turn's batch, then, once they have a place
 * in the log, pending until that place is applied.
 *
 * A command whose leader was deposed may still be committed by the next one, or be replaced. Its outcome is therefore
 * left open for `graceTicks`, in which the new leader usually decides it, and only then called unknown.
 */
export class Proposals {
  private queued: QueuedCommand[] = [];
  private queuedBytes = 0;
  /** By index. */
  private readonly pending: BoundedQueue<PendingCommand>;
  /** That of the last one that is pending, if there is any. */
  private lastIndex: Index = 0;
  private graceTicksLeft = 0;

  constructor(
    private readonly bounds: {
      readonly commandsMax: number;
      readonly bytesMax: number;
      readonly graceTicks: number;
    },
  ) {
    // A change of the configuration is given its place without having been queued, however many commands are pending. There
    // is one at a time: none is accepted until all that was in the log before it is applied, or the one before is.
    this.pending = new BoundedQueue(bounds.commandsMax + 1);
  }

  /** Commands without an outcome. */
  get size(): number {
    return this.queued.length + this.pending.length;
  }

  push(command: QueuedCommand): "accepted" | "full" {
    if (this.size >= this.bounds.commandsMax) return "full";
    if (this.queuedBytes + command.data.length > this.bounds.bytesMax) return "full";
    this.queued.push(command);
    this.queuedBytes += command.data.length;
    return "accepted";
  }

  /** The commands of this turn, in the order they came. */
  takeQueued(): readonly QueuedCommand[] {
    const taken = this.queued;
    this.queued = [];
    this.queuedBytes = 0;
    return taken;
  }

  /** The commands have consecutive places in the log from `first` on. */
  placed(commands: readonly QueuedCommand[], first: EntryId): void {
    if (this.pending.length > 0 && this.lastIndex >= first.index) this.giveUpFrom(first);
    for (let offset = 0; offset < commands.length; offset += 1) {
      const command = commands[offset]!;
      this.lastIndex = first.index + offset;
      const taken = this.pending.push({ index: this.lastIndex, term: first.term, command });
      assert(
        taken === "accepted",
        "those that are queued and pending are bounded together, but for one change of the configuration",
      );
    }
  }

  /** The entry was applied here with this answer. To be told of each entry, in their order. */
  applied(entry: EntryId, answer: Answer | null): void {
    const pending = this.pending.peek();
    if (pending === undefined || pending.index > entry.index) return;
    assert(pending.index === entry.index, "no entry is left out");
    this.pending.shift();
    const { command } = pending;
    if (pending.term === entry.term && answer !== null) {
      command.settle({ kind: "applied", answer, entry });
      return;
    }
    assert(pending.term !== entry.term, "an own command has an answer");
    command.settle(notApplied("superseded", null));
  }

  /** A state that has applied all up to there was installed: what became of its commands is not known here. */
  installedUpTo(index: Index): void {
    for (
      let next = this.pending.peek();
      next !== undefined && next.index <= index;
      next = this.pending.peek()
    ) {
      this.pending.shift();
      next.command.settle({ kind: "unknown", reason: "leadership_lost" });
    }
  }

  /** This member leads no more: outcomes stay open for a while. */
  leadershipLost(): void {
    this.graceTicksLeft = this.bounds.graceTicks;
  }

  /** This member leads (again): the places below its first entry are decided by its own commits. */
  leadershipWon(): void {
    this.graceTicksLeft = 0;
  }

  tick(): void {
    if (this.graceTicksLeft === 0) return;
    this.graceTicksLeft -= 1;
    if (this.graceTicksLeft === 0) this.settlePending("leadership_lost");
  }

  /** Ends every open command: queued ones were never tried, pending ones are unknown. */
  settleAll(queuedReason: NotAppliedReason, pendingReason: UnknownReason): void {
    for (const command of this.takeQueued()) command.settle(notApplied(queuedReason, null));
    this.settlePending(pendingReason);
  }

  /**
   * A place can be given twice: an own entry of an earlier term is no more in this log, while its outcome is still open. Nor is
   * it known to be gone: another member may hold it, and lead with the votes of those who have heard neither of the leader
   * that took it out of this log nor of this one. For that it takes five voters.
   */
  private giveUpFrom(first: EntryId): void {
    for (const pending of this.pending.drain()) {
      if (pending.index < first.index) {
        this.pending.push(pending);
        continue;
      }
      assert(pending.term < first.term, "a place in a term's log is given once");
      pending.command.settle({ kind: "unknown", reason: "leadership_lost" });
    }
  }

  private settlePending(reason: UnknownReason): void {
    for (const { command } of this.pending.drain()) command.settle({ kind: "unknown", reason });
  }
}

export function notApplied(
  reason: NotAppliedReason,
  leaderId: MemberId | null,
): Extract<SubmitOutcome, { kind: "not_applied" }> {
  return { kind: "not_applied", reason, leaderId };
}
