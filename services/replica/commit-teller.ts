import type { Clock, Scheduler } from "./ports";

/** Commands that come within this time of a commit carry the word of it, so where they do it waits for them so long. */
export const COMMIT_WAIT_MS = 2;

/**
 * Says when followers that hear of nothing else are told what is committed. Where commands come quickly one after another,
 * as from a caller that waits for each answer, the next ones carry the word: to send it alone would cost each follower a
 * message and a turn a command. Where the last ones did not come in time it is sent alone a turn after the commit, for
 * watches and reads on followers wait for it.
 */
export class CommitTeller {
  /** Whether there is something to tell. */
  private isOpen = false;
  /** When there was last something new to tell. */
  private openedAtMs = Number.NEGATIVE_INFINITY;
  /** Whether the latest commands came soon enough after a commit to carry the word of it. */
  private areQuick = false;
  private isDue = false;
  private isTimerSet = false;

  constructor(
    private readonly parts: {
      readonly clock: Pick<Clock, "monotonicMs">;
      readonly scheduler: Pick<Scheduler, "afterMs">;
      /** Whether followers could commit more than they were told. */
      readonly hasCommitToTell: () => boolean;
      readonly planTurn: () => void;
    },
  ) {}

  /** Commands have entered the log: they go to the followers with what is committed. */
  proposed(): void {
    this.areQuick = this.parts.clock.monotonicMs() - this.openedAtMs <= COMMIT_WAIT_MS;
  }

  /** To be asked once in each turn, before what has come is taken in: whether the word is to go alone in this turn. */
  takeDue(): boolean {
    const { isDue } = this;
    this.isDue = false;
    return isDue;
  }

  /** To be called whenever all that was asked for is on its way. */
  settled(): void {
    if (!this.parts.hasCommitToTell()) {
      this.isOpen = false;
      this.isDue = false;
      return;
    }
    if (!this.isOpen) {
      this.isOpen = true;
      this.openedAtMs = this.parts.clock.monotonicMs();
    }
    if (this.areQuick) this.setTimer(COMMIT_WAIT_MS);
    else this.tellNext();
  }

  private tellNext(): void {
    this.isDue = true;
    this.parts.planTurn();
  }

  /** One at a time, and never taken back, for that costs as much as to let it run out. */
  private setTimer(delayMs: number): void {
    if (this.isTimerSet) return;
    this.isTimerSet = true;
    const setForMs = this.openedAtMs;
    this.parts.scheduler.afterMs(delayMs, () => {
      this.isTimerSet = false;
      if (!this.isOpen) return;
      // What it was set for went with other commands, and this has not waited long yet.
      const isAnother = setForMs !== this.openedAtMs;
      const waitedMs = this.parts.clock.monotonicMs() - this.openedAtMs;
      if (isAnother && waitedMs < COMMIT_WAIT_MS) this.setTimer(COMMIT_WAIT_MS - waitedMs);
      else this.tellNext();
    });
  }
}
