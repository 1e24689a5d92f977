/**
 * Decides when a leader lets replicated time pass, and by how much: each Tick carries the leader's monotonic time since
 * its previous Tick, 0 for the first in a term. So replicated time never runs ahead of real time, no wall clock can move
 * it, and what passes while nobody leads is not counted.
 */
export class TimeKeeper {
  private tickedAtMs: number | null = null;

  /** A term of leadership began or ended: the next Tick is the first of a term. */
  reset(): void {
    this.tickedAtMs = null;
  }

  /** The elapsed time of the Tick that is due now, or null when none is. */
  due(nowMs: number, intervalMs: number): number | null {
    if (this.tickedAtMs === null) return 0;
    const elapsedMs = Math.floor(nowMs - this.tickedAtMs);
    return elapsedMs >= intervalMs ? elapsedMs : null;
  }

  /** The Tick that was due has a place in the log. Whole milliseconds only: the fraction counts for the next one. */
  ticked(nowMs: number, elapsedMs: number): void {
    this.tickedAtMs = this.tickedAtMs === null ? nowMs : this.tickedAtMs + elapsedMs;
  }
}
