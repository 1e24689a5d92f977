import type { WriteOptions } from "#client/call-options";
import type { Core } from "#client/core";
import { invalidArgument, QuorateError } from "#client/errors";
import type { Kv } from "#client/kv";
import { pause } from "#client/timing";
import { Transaction } from "./transaction";

const BACKOFF_MS_MIN = 4;
const BACKOFF_MS_MAX = 250;

/** What a transaction takes. */
export interface TransactOptions extends WriteOptions {
  /** How often it may be begun before it fails with CONDITION_FAILED; until the deadline by default. */
  readonly maxAttempts?: number;
}

/** Runs `work` until one of its attempts commits. */
export async function transact<T>(
  core: Core,
  kv: Kv,
  work: (tx: Transaction) => Promise<T> | T,
  options: TransactOptions,
): Promise<T> {
  const { maxAttempts = Number.POSITIVE_INFINITY } = options;
  if (!(maxAttempts >= 1)) throw invalidArgument(`maxAttempts must be at least 1, not ${maxAttempts}`);
  const patience = new Patience(core, options);
  for (let attempt = 1; ; attempt += 1) {
    const tx = new Transaction({ kv, options: () => patience.options(attempt) });
    const outcome = await tried(tx, work);
    if (outcome !== OVERTAKEN) return outcome.value;
    if (attempt >= maxAttempts) throw conflict(attempt);
    await patience.beforeAttempt(attempt + 1);
  }
}

const OVERTAKEN = Symbol("a transaction that must begin anew");

async function tried<T>(
  tx: Transaction,
  work: (tx: Transaction) => Promise<T> | T,
): Promise<{ readonly value: T } | typeof OVERTAKEN> {
  let value: T;
  try {
    value = await work(tx);
  } catch (thrown) {
    // What it threw may come from the state that it could no longer read.
    if (tx.isOvertaken) return OVERTAKEN;
    throw thrown;
  } finally {
    tx.end();
  }
  return (await tx.commit()) ? { value } : OVERTAKEN;
}

/** The time that all attempts of a transaction have together. */
class Patience {
  readonly #core: Core;
  readonly #options: TransactOptions;
  readonly #deadlineAtMs: number;

  constructor(core: Core, options: TransactOptions) {
    this.#core = core;
    this.#options = options;
    this.#deadlineAtMs = core.timing.nowMs() + core.plan(options).deadlineMs;
  }

  /** How a call of the attempt is to be made. @throws QuorateError when there is no time left, or the caller gave up */
  options(attempt: number): WriteOptions {
    const { namespace, signal, onHeader } = this.#options;
    if (signal?.aborted === true) {
      throw new QuorateError("the transaction was given up by its caller", {
        code: "CANCELLED",
        reason: "CANCELLED",
        outcome: "not_applied",
        cause: signal.reason,
      });
    }
    const deadlineMs = this.#deadlineAtMs - this.#core.timing.nowMs();
    if (deadlineMs <= 0) throw late(attempt);
    return {
      deadlineMs,
      ...(namespace === undefined ? {} : { namespace }),
      ...(signal === undefined ? {} : { signal }),
      ...(onHeader === undefined ? {} : { onHeader }),
    };
  }

  /** Waits for a random time, longer from attempt to attempt, so that those who met do not meet again. */
  async beforeAttempt(attempt: number): Promise<void> {
    const { timing } = this.#core;
    const ceilingMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(attempt - 2, 16));
    const { deadlineMs = 0 } = this.options(attempt - 1);
    await pause(timing, Math.min(deadlineMs, ceilingMs * timing.random()), this.#options.signal);
    this.options(attempt - 1);
  }
}

function conflict(attempts: number): QuorateError {
  const times = attempts === 1 ? "once" : `${attempts} times`;
  return new QuorateError(`what the transaction read was changed by others before its commit, ${times}`, {
    code: "FAILED_PRECONDITION",
    reason: "CONDITION_FAILED",
    retryable: true,
    outcome: "not_applied",
  });
}

function late(attempts: number): QuorateError {
  return new QuorateError(`the deadline passed in attempt ${attempts} of the transaction`, {
    code: "DEADLINE_EXCEEDED",
    reason: "DEADLINE_EXCEEDED",
    retryable: true,
    outcome: "not_applied",
  });
}
