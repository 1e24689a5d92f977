/** Time and chance as the client sees them, handed in so that its retries can be tested without waiting. */
export interface Timing {
  /** Milliseconds of a clock that only runs forward. */
  nowMs(): number;
  /**
   * Runs `task` once after `delayMs`; the returned function takes that back.
   *
   * @param kind "idle" for what is not worth keeping the process running
   */
  schedule(delayMs: number, task: () => void, kind?: "idle"): () => void;
  /** A number of at least 0 and below 1. */
  random(): number;
}

/** The process's own clock, timers and random numbers. */
export const systemTiming: Timing = {
  nowMs: () => performance.now(),
  schedule(delayMs, task, kind) {
    const timer = setTimeout(task, delayMs);
    if (kind === "idle") timer.unref();
    return () => clearTimeout(timer);
  },
  random: Math.random,
};

/** Waits for `delayMs`, or less when `signal` is aborted. */
export function pause(timing: Timing, delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const finish = () => {
      cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = timing.schedule(delayMs, finish);
    signal?.addEventListener("abort", finish);
  });
}
