/** As nghttp2 has it: who opens streams and has them reset faster than that means harm ("rapid reset"). */
const BURST_MAX = 1000;
const PER_S = 33;

/** How many more streams may be reset. */
export class ResetBudget {
  private left = BURST_MAX;
  private countedMs = performance.now();

  /** @returns whether it was one too many */
  spend(): boolean {
    const nowMs = performance.now();
    this.left = Math.min(BURST_MAX, this.left + ((nowMs - this.countedMs) / 1000) * PER_S) - 1;
    this.countedMs = nowMs;
    return this.left < 0;
  }
}
