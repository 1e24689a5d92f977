import type { Answer } from "#kv";
import type { EntryId, Index, MemberId, Term } from "#raft";
import { assert } from "#std";
import type { NotAppliedReason, SubmitOutcome, UnknownReason } from "./outcome";

/** A command that waits to be proposed. */
export interface QueuedCommand {
  readonly data: Uint8Array;
  /** Called once, perhaps before it is queued. Must not throw, nor call the replica. */
  settle(outcome: SubmitOutcome): void;
}

interface PendingCommand {
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
  private readonly pending = new Map<Index, PendingCommand>();
  private graceTicksLeft = 0;

  constructor(
    private readonly bounds: {
      readonly commandsMax: number;
      readonly bytesMax: number;
      readonly graceTicks: number;
    },
  ) {}

  /** Commands without an outcome. */
  get size(): number {
    return this.queued.length + this.pending.size;
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
    for (let offset = 0; offset < commands.length; offset += 1) {
      const index = first.index + offset;
      // A place can be given twice: an own entry of an earlier term was replaced while its outcome was still open.
      const replaced = this.pending.get(index);
      assert(replaced === undefined || replaced.term < first.term, "a place in a term's log is given once");
      replaced?.command.settle(notApplied("superseded", null));
      this.pending.set(index, { term: first.term, command: commands[offset]! });
    }
  }

  /** The entry was applied here with this answer. */
  applied(entry: EntryId, answer: Answer | null): void {
    const pending = this.pending.get(entry.index);
    if (pending === undefined) return;
    const { term, command } = pending;
    this.pending.delete(entry.index);
    if (term === entry.term && answer !== null) {
      command.settle({ kind: "applied", answer, entry });
      return;
    }
    assert(term !== entry.term, "an own command has an answer");
    command.settle(notApplied("superseded", null));
  }

  /** A state that has applied all up to there was installed: what became of its commands is not known here. */
  installedUpTo(index: Index): void {
    for (const [at, { command }] of [...this.pending]) {
      if (at > index) continue;
      this.pending.delete(at);
      command.settle({ kind: "unknown", reason: "leadership_lost" });
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

  private settlePending(reason: UnknownReason): void {
    const open = [...this.pending.values()];
    this.pending.clear();
    for (const { command } of open) command.settle({ kind: "unknown", reason });
  }
}

export function notApplied(
  reason: NotAppliedReason,
  leaderId: MemberId | null,
): Extract<SubmitOutcome, { kind: "not_applied" }> {
  return { kind: "not_applied", reason, leaderId };
}
