/** Beyond this many milliseconds a timer of Node fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * One timer for the deadlines of many calls, set for the earliest that was asked for. A timer for each would cost more than
 * the rest of a pipelined call, and hardly any ever fires: most calls are answered long before.
 */
export class DeadlineTimer {
  private readonly onDue: (nowMs: number) => void;
  private timer: NodeJS.Timeout | null = null;
  private setForMs = Number.POSITIVE_INFINITY;

  /** @param onDue ends whatever is due by then, and asks again for whatever is not */
  constructor(onDue: (nowMs: number) => void) {
    this.onDue = onDue;
  }

  /** @param deadlineMs when onDue is to be called at the latest, as Date.now() counts */
  watch(deadlineMs: number): void {
    if (deadlineMs >= this.setForMs) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.setForMs = deadlineMs;
    const waitMs = Math.min(TIMER_MS_MAX, Math.max(0, deadlineMs - Date.now()));
    this.timer = setTimeout(() => {
      this.timer = null;
      this.setForMs = Number.POSITIVE_INFINITY;
      this.onDue(Date.now());
    }, waitMs);
  }

  /** It can be used again. */
  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.setForMs = Number.POSITIVE_INFINITY;
  }
}
