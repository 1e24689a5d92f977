import { QuorateError } from "./errors";
import type { Timing } from "./timing";

/** How long a write may wait for its turn, and what ends that early. */
export interface Patience {
  readonly deadlineAtMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Ends a wait. Only the first word counts. */
export interface Waiter<T> {
  readonly take: (value: T) => void;
  readonly fail: (error: QuorateError) => void;
}

/**
 * Waits as long as the patience lasts.
 *
 * @param what is waited for, in words, as of the end of a wait in vain
 * @param wait is given whoever waits, does not yet tell it anything, and returns how to wait no longer
 * @throws QuorateError with outcome "not_applied" when the patience ends before
 */
export function patiently<T>(
  timing: Timing,
  patience: Patience,
  what: () => string,
  wait: (waiter: Waiter<T>) => () => void,
): Promise<T> {
  const { deadlineAtMs, signal } = patience;
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      cancel();
      leave();
      signal?.removeEventListener("abort", giveUp);
    };
    const giveUp = (): void => {
      settle();
      reject(waitedInVain(what(), signal));
    };
    const leave = wait({
      take(value) {
        settle();
        resolve(value);
      },
      fail(error) {
        settle();
        reject(error);
      },
    });
    const cancel = timing.schedule(Math.max(0, deadlineAtMs - timing.nowMs()), giveUp);
    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted === true) giveUp();
  });
}

function waitedInVain(what: string, signal: AbortSignal | undefined): QuorateError {
  const aborted = signal?.aborted === true;
  return new QuorateError(`${aborted ? "given up" : "the deadline passed"} while waiting for ${what}`, {
    code: aborted ? "CANCELLED" : "DEADLINE_EXCEEDED",
    reason: aborted ? "CANCELLED" : "DEADLINE_EXCEEDED",
    retryable: true,
    outcome: "not_applied",
    ...(aborted ? { cause: signal.reason } : {}),
  });
}
