import type { VerificationLimits } from "./ports";

/** When the leader begins a round by itself. */
export class Schedule {
  private lastMs: number;
  private lastRevision = -1;
  private busyMs = 0;

  constructor(
    private readonly limits: VerificationLimits,
    nowMs: number,
  ) {
    this.lastMs = nowMs;
  }

  /** A round was begun, or may not be begun now: time is counted from here. */
  began(nowMs: number, revision: number): void {
    this.lastMs = nowMs;
    this.lastRevision = revision;
  }

  /** What the last round took. */
  took(busyMs: number): void {
    this.busyMs = busyMs;
  }

  /** While another leads. */
  restart(nowMs: number): void {
    this.lastMs = nowMs;
  }

  isDue(nowMs: number, revision: number): boolean {
    const { intervalMs, idleIntervalMs, shareOfTime } = this.limits;
    if (intervalMs <= 0) return false;
    const pauseMs = revision === this.lastRevision ? idleIntervalMs : intervalMs;
    return nowMs - this.lastMs >= Math.max(pauseMs, shareOfTime * this.busyMs);
  }
}
