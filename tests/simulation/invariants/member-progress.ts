import type { MemoryLogDisk } from "@quorate/services/memory";
import type { EntryId, HardState, Index, MemberId, RaftStatus, Term } from "@quorate/services/raft";
import type { LogBatch } from "@quorate/services/replica";
import { broken } from "./invariant";
import type { Ledger } from "./ledger";

/** What a replica says of itself that this looks at. */
export interface Standing {
  readonly raft: Pick<RaftStatus, "role" | "term" | "commit" | "last">;
  readonly appliedIndex: Index;
}

/** The part of a disk that this looks at. */
export type LogImage = Pick<
  MemoryLogDisk,
  "after" | "hardState" | "lastIndex" | "syncedIndex" | "entryAt" | "isDamaged"
>;

/** One member against the ledger (invariants 2 and, for what a restart must not lose, 1). */
export class MemberProgress {
  private term: Term = 0;
  private commit: Index = 0;
  private applied: Index = 0;
  private wasLeaderOf: Term | null = null;
  /** As last stored durably. */
  private durable: HardState = { term: 0, vote: null, commit: 0 };
  /** Its stored log is known to equal the committed one up to here. */
  private verified: Index = 0;

  constructor(
    readonly id: MemberId,
    private readonly ledger: Ledger,
    /** Tells what a leader's commit index claims, before it joins the ledger. */
    private readonly claims: (leader: MemberId, id: EntryId) => void,
  ) {}

  /** It has an empty directory: nothing that it did before is expected of it. */
  joined(): void {
    this.durable = { term: 0, vote: null, commit: 0 };
    this.verified = 0;
  }

  /** A process begins its life on what the disk holds. */
  started(disk: LogImage): void {
    this.checkPromises(disk.hardState);
    this.storeUnknown(disk);
    if (disk.lastIndex < this.verified) {
      broken(
        "committed prefix",
        `${this.id} restarts with ${disk.lastIndex} entries, but had stored ${this.verified} committed ones`,
      );
    }
    this.verified = Math.min(this.verified, disk.lastIndex);
    this.verify(disk);
    this.term = 0;
    this.commit = 0;
    this.applied = 0;
    this.wasLeaderOf = null;
  }

  appended(disk: LogImage, { entries, hardState }: LogBatch): void {
    const first = entries[0];
    if (first !== undefined) {
      let previousTerm = termAt(disk, first.index - 1);
      for (const entry of entries) {
        this.ledger.stored(entry, previousTerm, this.id);
        previousTerm = entry.term;
        if (entry.index <= this.verified)
          this.ledger.checkCommitted(entry, this.id, "overwrites a committed entry with");
      }
      if (disk.lastIndex < this.verified) {
        broken(
          "committed prefix",
          `${this.id} cuts its log to ${disk.lastIndex} entries, but ${this.verified} of them are committed`,
        );
      }
    }
    if (hardState !== null) this.promised(hardState);
    this.verify(disk);
  }

  applies(disk: LogImage, applied: EntryId): void {
    this.ledger.checkCommitted(applied, this.id, "applies");
    const isHeld = applied.index >= disk.after.index && applied.index <= disk.lastIndex;
    if (!isHeld || termAt(disk, applied.index) !== applied.term) {
      broken(
        "applied <= committed <= last",
        `${this.id} applies ${applied.term}/${applied.index}, which its stored log (up to ${disk.lastIndex}) does not hold`,
      );
    }
  }

  /** It has given up the log up to `index`, while no crash takes what the state has applied up to `checkpointIndex`. */
  cut(index: Index, checkpointIndex: Index): void {
    if (index <= checkpointIndex) return;
    broken(
      "the log is cut behind the checkpoint",
      `${this.id} cuts its log up to ${index}, but a crash leaves its state at ${checkpointIndex}`,
    );
  }

  /** Its log goes on after `entry`, which its state has applied. */
  reset(disk: LogImage, entry: EntryId, checkpointIndex: Index): void {
    this.ledger.checkCommitted(entry, this.id, "resets its log to");
    this.cut(entry.index, checkpointIndex);
    if (entry.index < this.verified) {
      broken(
        "committed prefix",
        `${this.id} resets its log to ${entry.term}/${entry.index}, but had ${this.verified} committed entries`,
      );
    }
    this.promised(disk.hardState);
  }

  /** The state of a peer took the place of its own, which had applied `before` and may have been known to be wrong. */
  installed(applied: EntryId, before: Index, wasWrong: boolean): void {
    this.ledger.checkCommitted(applied, this.id, "installs a state at");
    // One that joins right after the cluster began has nothing, and gets what nothing was applied to.
    const mayBeEqual = wasWrong || before === 0;
    if (applied.index > before || (mayBeEqual && applied.index === before)) return;
    broken(
      "a snapshot leads forward",
      `${this.id} installs a state at ${applied.term}/${applied.index}, where ${before} entries were applied`,
    );
  }

  /** A leader spoke of its commit index. */
  claimed(term: Term, commit: Index): void {
    if (commit > this.ledger.committedIndex) this.claims(this.id, { term, index: commit });
  }

  stepped({ raft, appliedIndex }: Standing): void {
    const { role, term, commit, last } = raft;
    if (term < this.term) this.fell("term", this.term, term);
    if (commit < this.commit) this.fell("commit index", this.commit, commit);
    if (appliedIndex < this.applied) this.fell("applied index", this.applied, appliedIndex);
    if (appliedIndex > commit || commit > last.index) {
      broken(
        "applied <= committed <= last",
        `${this.id} has applied ${appliedIndex}, committed ${commit}, last ${last.index}`,
      );
    }
    const leaderOf = role === "leader" ? term : this.wasLeaderOf;
    if (commit > this.ledger.committedIndex) {
      // A leader that stepped down within the same event may have counted just before.
      if (leaderOf !== null) this.claimed(leaderOf, commit);
      else {
        broken(
          "committed prefix",
          `${this.id}, a ${role} in term ${term}, counts ${commit} entries as committed, but no leader has counted more ` +
            `than ${this.ledger.committedIndex}`,
        );
      }
    }
    if (role === "leader" && this.wasLeaderOf !== term && last.index < this.ledger.committedBefore(term)) {
      broken(
        "leader completeness",
        `${this.id} leads term ${term} with a log that ends at ${last.index}, but ${this.ledger.committedBefore(term)} entries ` +
          "are committed",
      );
    }
    this.term = term;
    this.commit = commit;
    this.applied = appliedIndex;
    this.wasLeaderOf = role === "leader" ? term : null;
  }

  private fell(what: string, from: number, to: number): never {
    broken("term and commit only rise", `the ${what} of ${this.id} fell from ${from} to ${to}`);
  }

  private promised(state: HardState): void {
    this.checkPromises(state);
    this.durable = state;
  }

  private checkPromises(state: HardState): void {
    const { durable } = this;
    if (
      state.term < durable.term ||
      (state.term === durable.term && durable.vote !== null && state.vote !== durable.vote)
    ) {
      broken(
        "promises survive a restart",
        `${this.id} had stored term ${durable.term} with a vote for ${durable.vote ?? "nobody"}, and now has term ` +
          `${state.term} with a vote for ${state.vote ?? "nobody"}`,
      );
    }
    if (state.commit < durable.commit) this.fell("stored commit index", durable.commit, state.commit);
  }

  /** A write that was under way when the process died may be there though nobody heard of it. */
  private storeUnknown(disk: LogImage): void {
    let from = disk.lastIndex + 1;
    while (from > disk.after.index + 1) {
      const entry = disk.entryAt(from - 1);
      if (this.ledger.knows(entry)) break;
      from -= 1;
    }
    for (let index = from; index <= disk.lastIndex; index += 1) {
      this.ledger.stored(disk.entryAt(index), termAt(disk, index - 1), this.id);
    }
  }

  /** What it has stored as committed is in its stored log, for both go into one write. */
  private verify(disk: LogImage): void {
    const committed = Math.min(disk.hardState.commit, disk.lastIndex);
    for (let index = Math.max(this.verified, disk.after.index) + 1; index <= committed; index += 1) {
      this.ledger.checkCommitted(disk.entryAt(index), this.id, "holds as committed");
    }
    this.verified = Math.max(this.verified, committed);
  }
}

export function termAt(disk: LogImage, index: Index): Term {
  return index === disk.after.index ? disk.after.term : disk.entryAt(index).term;
}
