import type { Timers } from "@quorate/services/faults";

/** Time that stands still until it is told to pass. What is due at one moment runs in the order asked for. */
export class VirtualTimers implements Timers {
  private now = 0;
  private due: { readonly atMs: number; readonly run: () => void }[] = [];

  nowMs(): number {
    return this.now;
  }

  after(delayMs: number, run: () => void): void {
    const atMs = this.now + delayMs;
    const later = this.due.findIndex((other) => other.atMs > atMs);
    this.due.splice(later === -1 ? this.due.length : later, 0, { atMs, run });
  }

  /** When the next one is due; null when none is. */
  get nextMs(): number | null {
    return this.due[0]?.atMs ?? null;
  }

  /** Runs what is due by now; false when nothing was. */
  runDue(): boolean {
    let hasRun = false;
    for (let next = this.due[0]; next !== undefined && next.atMs <= this.now; next = this.due[0]) {
      this.due.shift();
      next.run();
      hasRun = true;
    }
    return hasRun;
  }

  /** Runs what is due on the way, each at its own time. */
  advance(ms: number): void {
    const until = this.now + ms;
    this.runDue();
    for (let next = this.due[0]; next !== undefined && next.atMs <= until; next = this.due[0]) {
      this.now = next.atMs;
      this.runDue();
    }
    this.now = until;
  }
}
