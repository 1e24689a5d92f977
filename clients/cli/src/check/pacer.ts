/** How much time, at most, a stalled caller may catch up on. */
const CATCH_UP_SECONDS_MAX = 0.05;

/**
 * Says how many writes become due, at a rate. What finds no room is not made up for later: the throughput then shows it, as
 * with the limiter that `etcdctl check perf` uses.
 */
export class Pacer {
  readonly #perMs: number;
  readonly #creditMax: number;
  #credit = 1;
  #atMs: number;

  constructor(writesPerSecond: number, startMs: number) {
    this.#perMs = writesPerSecond / 1000;
    this.#creditMax = Math.max(1, writesPerSecond * CATCH_UP_SECONDS_MAX);
    this.#atMs = startMs;
  }

  /** How many are due now. @param free how many find room */
  take(nowMs: number, free: number): number {
    this.#credit = Math.min(this.#creditMax, this.#credit + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    const begun = Math.min(free, Math.floor(this.#credit));
    // Whole credit that finds no room is lost.
    this.#credit = begun < free ? this.#credit - begun : this.#credit % 1;
    return begun;
  }
}
