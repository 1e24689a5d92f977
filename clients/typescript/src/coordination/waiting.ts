import { checkedDeadlineMs } from "#client/core";
import { QuorateError } from "#client/errors";
import { manyMayListen } from "#client/signals";
import type { Timing } from "#client/timing";

/** What bounds the time that somebody waits for a lock or the like. */
export interface WaitOptions {
  /** How long to wait, in milliseconds; without it as long as it takes. */
  readonly deadlineMs?: number;
  /** Gives up when aborted. */
  readonly signal?: AbortSignal;
}

/** Longer than anybody waits: other bounds end the calls that are made with it. */
const UNBOUNDED_MS = 2 ** 31 - 1;

/** One wait, ended early by its deadline, its caller, or the loss of the lease that it stands on. */
export class Waiting {
  readonly #timing: Timing;
  readonly #what: string;
  readonly #over = new AbortController();
  readonly #deadlineAtMs: number;
  readonly #cleanUps: (() => void)[] = [];
  #failure: QuorateError | null = null;

  /** @param what is waited for, for the error: `the lock "a"` */
  constructor(timing: Timing, what: string, { deadlineMs, signal }: WaitOptions) {
    this.#timing = timing;
    this.#what = what;
    this.#deadlineAtMs =
      timing.nowMs() + (deadlineMs === undefined ? UNBOUNDED_MS : checkedDeadlineMs(deadlineMs));
    if (deadlineMs !== undefined) {
      const late = () =>
        this.#end("DEADLINE_EXCEEDED", `${deadlineMs} ms passed while waiting for`, undefined);
      this.#cleanUps.push(timing.schedule(deadlineMs, late));
    }
    if (signal !== undefined) {
      this.#follow(signal, () => this.#end("CANCELLED", "the caller gave up waiting for", signal.reason));
    }
  }

  /** Aborted when there is no point in waiting any longer. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** The time that is left. */
  get remainingMs(): number {
    return Math.max(1, Math.min(UNBOUNDED_MS, this.#deadlineAtMs - this.#timing.nowMs()));
  }

  /** Ends the wait with the lease. */
  standOn(lease: { readonly signal: AbortSignal }): void {
    const { signal } = lease;
    this.#follow(signal, () =>
      this.#end(
        "UNKNOWN_LEASE",
        "the place in line was lost with its lease while waiting for",
        signal.reason,
      ),
    );
  }

  /** The promise's value, or what ended the wait before. */
  async inTime<T>(promise: Promise<T>): Promise<T> {
    this.throwIfOver();
    let stop: () => void = () => undefined;
    const over = new Promise<never>((_, reject) => {
      stop = () => reject(this.#failure);
      this.signal.addEventListener("abort", stop);
    });
    try {
      return await Promise.race([promise, over]);
    } finally {
      this.signal.removeEventListener("abort", stop);
    }
  }

  /** @throws QuorateError what has ended the wait */
  throwIfOver(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Ends the watch over deadline, caller and lease. */
  close(): void {
    for (const cleanUp of this.#cleanUps.splice(0)) cleanUp();
  }

  #follow(signal: AbortSignal, end: () => void): void {
    manyMayListen(signal);
    signal.addEventListener("abort", end);
    this.#cleanUps.push(() => signal.removeEventListener("abort", end));
    if (signal.aborted) end();
  }

  #end(reason: "DEADLINE_EXCEEDED" | "CANCELLED" | "UNKNOWN_LEASE", why: string, cause: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = new QuorateError(`${why} ${this.#what}`, {
      code: reason === "UNKNOWN_LEASE" ? "NOT_FOUND" : reason,
      reason,
      retryable: reason !== "CANCELLED",
      outcome: "not_applied",
      ...(cause === undefined ? {} : { cause }),
    });
    this.#over.abort(this.#failure);
  }
}
