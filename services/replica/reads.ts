import type { Index, ReadIndexOutcome, ReadState } from "#raft";
import type { Cancellation } from "./outcome";

/** Why a waiting read ended without an index. */
export type ReadFailure = "no_leader" | "backlog_full" | "cancelled" | "store_lost" | "stopping";

interface WaitingRead {
  readonly settle: (failure: ReadFailure | null) => void;
  /** Where it waits: so that one whose caller gives up is kept no longer. */
  holder: Set<WaitingRead>;
}

interface ReleasedReads {
  readonly index: Index;
  readonly reads: Set<WaitingRead>;
  readonly sentAtMs: number;
}

/**
 * Finds, for reads that must see every acknowledged write, the moment from which this replica's state may answer them
 * (thesis 6.4): all reads that wait share one ReadIndex round with the leader, and are released once the index that it
 * returned is applied here. One round is under way at a time; reads that come meanwhile share the next one. A round
 * that brings no answer (a message or the leader was lost) is asked again under a new name, so that a late answer to
 * the old one means nothing.
 */
export class Reads {
  private waiting = new Set<WaitingRead>();
  private round: {
    readonly context: string;
    readonly reads: Set<WaitingRead>;
    readonly sentAtMs: number;
  } | null = null;
  private roundTicks = 0;
  private rounds = 0;
  /** Reads whose index is known but not applied yet, in the order of their rounds, so of their indexes. */
  private released: ReleasedReads[] = [];
  private openCount = 0;
  private fresh: number | null = null;

  constructor(
    private readonly options: {
      /** Distinguishes the rounds of this start of the member from those of earlier ones. */
      readonly nonce: string;
      /** Of all reads without an answer, wherever they wait. */
      readonly waitingMax: number;
      /** A round without an answer is asked again after so many ticks. */
      readonly retryTicks: number;
      readonly nowMs: () => number;
      readonly ask: (context: string) => ReadIndexOutcome;
    },
  ) {}

  /**
   * The latest monotonic time of which it is known that this replica's applied state holds every write acknowledged
   * before; null before the first round has completed.
   */
  get freshAsOfMs(): number | null {
    return this.fresh;
  }

  get hasWaiting(): boolean {
    return this.waiting.size > 0;
  }

  /** Reads without an answer. */
  get size(): number {
    return this.openCount;
  }

  /** Resolves with null when the applied state may answer, else with what prevented it. */
  wait(cancellation?: Cancellation): Promise<ReadFailure | null> {
    if (this.openCount >= this.options.waitingMax) return Promise.resolve("backlog_full");
    this.openCount += 1;
    return new Promise((resolve) => {
      const read: WaitingRead = {
        settle: (failure) => {
          this.openCount -= 1;
          cancellation?.removeEventListener("abort", onAbort);
          resolve(failure);
        },
        holder: this.waiting,
      };
      const onAbort = (): void => {
        this.drop(read);
        read.settle("cancelled");
      };
      cancellation?.addEventListener("abort", onAbort);
      this.waiting.add(read);
    });
  }

  /** Starts a round for the reads that wait, unless one is under way. */
  startRound(): void {
    if (this.round !== null || this.waiting.size === 0) return;
    const reads = this.waiting;
    this.waiting = new Set();
    this.ask(reads);
  }

  /** The leader answered a round: its reads are released at `applied >= index`. */
  answered(state: ReadState, appliedIndex: Index): void {
    const { round } = this;
    if (round === null || round.context !== state.context) return;
    this.round = null;
    this.released.push({ index: state.index, reads: round.reads, sentAtMs: round.sentAtMs });
    this.applied(appliedIndex);
    this.startRound();
  }

  applied(appliedIndex: Index): void {
    let count = 0;
    for (const group of this.released) {
      if (group.index > appliedIndex) break;
      count += 1;
      this.fresh = Math.max(this.fresh ?? group.sentAtMs, group.sentAtMs);
      for (const read of group.reads) read.settle(null);
    }
    if (count > 0) this.released.splice(0, count);
  }

  tick(): void {
    if (this.round === null) return;
    this.roundTicks += 1;
    if (this.roundTicks >= this.options.retryTicks) this.askAgain();
  }

  /** Another leader or term: an answer to the round under way would be bound to the old one. */
  leaderChanged(hasLeader: boolean): void {
    if (!hasLeader) this.failUnanswered("no_leader");
    else if (this.round !== null) this.askAgain();
  }

  /** Ends every read. */
  settleAll(failure: ReadFailure): void {
    this.failUnanswered(failure);
    const released = this.released;
    this.released = [];
    for (const group of released) for (const read of group.reads) read.settle(failure);
  }

  private failUnanswered(failure: ReadFailure): void {
    for (const read of this.takeUnanswered()) read.settle(failure);
  }

  private askAgain(): void {
    const reads = this.takeUnanswered();
    if (reads.size > 0) this.ask(reads);
  }

  private takeUnanswered(): Set<WaitingRead> {
    const reads = this.round?.reads ?? new Set();
    for (const read of this.waiting) {
      reads.add(read);
      read.holder = reads;
    }
    this.round = null;
    this.waiting = new Set();
    return reads;
  }

  private drop(read: WaitingRead): void {
    const { holder } = read;
    holder.delete(read);
    if (holder.size === 0) this.released = this.released.filter(({ reads }) => reads !== holder);
  }

  private ask(reads: Set<WaitingRead>): void {
    this.rounds += 1;
    this.roundTicks = 0;
    const context = `${this.options.nonce}:${this.rounds}`;
    this.round = { context, reads, sentAtMs: this.options.nowMs() };
    const outcome = this.options.ask(context);
    switch (outcome.kind) {
      case "accepted":
        return;
      case "no_leader":
        this.failUnanswered("no_leader");
        return;
      case "full":
        this.failUnanswered("backlog_full");
        return;
    }
  }
}
