import type { Clock, Scheduler } from "./ports";

/** The word of a commit waits for the next commands as long as it took to commit those before, within these bounds. */
export const COMMIT_WAIT_MS_MIN = 2;
export const COMMIT_WAIT_MS_MAX = 10;

/** Commands that came soon count one each, up to so many, and one that did not takes away half of that. */
const QUICKNESS_MAX = 8;
/** From so many on the next ones are expected soon as well. */
export const QUICKNESS_MIN = QUICKNESS_MAX / 2;

/**
 * Says when followers that hear of nothing else are told what is committed. Where commands come quickly one after another,
 * as from a caller that waits for each answer, the next ones carry the word: to send it alone would cost each follower a
 * message and a turn a command. Where they do not come in time it is sent alone a turn after the commit, for watches and reads
 * on followers wait for it. One that happens to come soon after another, or after a commit that the disk held up, says little
 * about the next: it takes some in a row until the word waits, and two that do not come in time until it does not.
 *
 * How quick that is depends on how busy the cluster is. So what it takes to commit is the measure: whoever waits for each answer
 * comes back about as fast, and a watch on a follower hears of the last command at most as much later as it took to be committed.
 */
export class CommitTeller {
  /** Whether there is something to tell. */
  private isOpen = false;
  /** When there was last something new to tell. */
  private openedAtMs = Number.NEGATIVE_INFINITY;
  /** How long it may wait for commands that carry it. */
  private waitMs = COMMIT_WAIT_MS_MIN;
  private proposedAtMs = Number.NEGATIVE_INFINITY;
  /** How surely the next commands come soon enough after a commit to carry the word of it, by those before. */
  private quickness = 0;
  /** Whether commands have come since there was last something new to tell. */
  private hasFollowed = false;
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
    this.proposedAtMs = this.parts.clock.monotonicMs();
    // Others were on their way already when that was committed.
    if (this.hasFollowed) return;
    this.hasFollowed = true;
    const isQuick = this.proposedAtMs - this.openedAtMs <= this.waitMs;
    this.quickness = isQuick
      ? Math.min(this.quickness + 1, QUICKNESS_MAX)
      : Math.max(this.quickness - QUICKNESS_MAX / 2, 0);
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
      this.hasFollowed = false;
      this.openedAtMs = this.parts.clock.monotonicMs();
      const tookMs = this.openedAtMs - this.proposedAtMs;
      this.waitMs = Math.min(Math.max(tookMs, COMMIT_WAIT_MS_MIN), COMMIT_WAIT_MS_MAX);
    }
    if (this.quickness >= QUICKNESS_MIN) this.setTimer(this.waitMs);
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
      if (isAnother && waitedMs < this.waitMs) this.setTimer(this.waitMs - waitedMs);
      else this.tellNext();
    });
  }
}
