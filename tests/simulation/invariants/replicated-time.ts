import type { Index } from "@quorate/services/raft";
import { broken } from "./invariant";

/** Between readings of clocks, in floating point. */
const ROUNDING_MS = 0.001;

/**
 * Whether replicated time runs no faster than the clocks of those that led (invariant 7: a session that ends early
 * forgets what it answered). Nobody knows here whose clock counted when, so between two changes of leader the fastest of
 * all is granted.
 */
export class ReplicatedTime {
  private passedMs = 0;
  private shownMs: readonly number[];

  /** @param clocks the monotonic clock of each member, always in the same order */
  constructor(private readonly clocks: () => readonly number[]) {
    this.shownMs = clocks();
  }

  /** One who leads counts the time from now on, by its own clock. */
  leaderChanged(): void {
    const shownMs = this.clocks();
    this.passedMs += Math.max(...shownMs.map((now, at) => now - (this.shownMs[at] as number)));
    this.shownMs = shownMs;
  }

  /** The entry at that index is committed, which makes the replicated time `timeMs`. */
  committed(index: Index, timeMs: number): void {
    if (timeMs <= this.passedMs) return;
    this.leaderChanged();
    if (timeMs <= this.passedMs + ROUNDING_MS) return;
    broken(
      "replicated time keeps to a clock",
      `entry ${index} makes the replicated time ${timeMs} ms, but no more than ${Math.round(this.passedMs)} ms have passed on ` +
        "the clocks of those that led",
    );
  }
}
