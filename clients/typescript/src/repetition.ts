import type { CallPlan } from "./call-plan";
import type { EndpointPool } from "./endpoint-pool";
import { QuorateError, type StatusName } from "./errors";
import type { Patience } from "./patience";
import { pause, type Timing } from "./timing";

const BACKOFF_MS_MIN = 20;
const BACKOFF_MS_MAX = 250;

/** The shortest time that an endpoint gets to answer while others could be asked. */
const ATTEMPT_MS_MIN = 500;

/** With less time than this, or than that part of the deadline, an attempt would end in doubt rather than in an answer. */
const LAST_ATTEMPT_MS_MIN = 100;
const LAST_ATTEMPT_SHARE_MIN = 1 / 50;

/** The attempts of one call: whether there is another, where, how soon, and how long it may take. */
export class Repetition implements Patience {
  /** Whether some attempt may have changed something. */
  maybeApplied = false;
  readonly #pool: EndpointPool;
  readonly #timing: Timing;
  readonly #plan: CallPlan;
  #deadlineAtMs: number;
  #failures = 0;
  #timeouts = 0;
  /** What a node last said of why it would not: more than that another one cannot be reached. */
  #told: QuorateError | null = null;

  constructor(pool: EndpointPool, timing: Timing, plan: CallPlan) {
    this.#pool = pool;
    this.#timing = timing;
    this.#plan = plan;
    this.#deadlineAtMs = timing.nowMs() + plan.deadlineMs;
  }

  get deadlineAtMs(): number {
    return this.#deadlineAtMs;
  }

  get signal(): AbortSignal | undefined {
    return this.#plan.signal;
  }

  get remainingMs(): number {
    return this.#deadlineAtMs - this.#timing.nowMs();
  }

  /** Begins the count anew: a stream has moved on. */
  restart(): void {
    this.#deadlineAtMs = this.#timing.nowMs() + this.#plan.deadlineMs;
    this.#failures = 0;
    this.#timeouts = 0;
  }

  /**
   * How long the next attempt may take: a part of the deadline while there is another endpoint to turn to, for a paused
   * node answers nothing and refuses nothing; twice as long after each round of timeouts, for the call may just be long.
   */
  attemptMs(): number {
    return this.#attemptMs(Math.max(1, this.remainingMs));
  }

  /** The same of an attempt that is made as soon as there is a call. */
  get firstAttemptMs(): number {
    return this.#attemptMs(this.#plan.deadlineMs);
  }

  #attemptMs(remaining: number): number {
    if (this.#pool.size === 1 || this.#plan.address !== undefined) return remaining;
    const rounds = Math.floor(this.#timeouts / this.#pool.size);
    return Math.min(remaining, Math.max(ATTEMPT_MS_MIN, this.#plan.deadlineMs / 4) * 2 ** rounds);
  }

  /** @throws QuorateError CANCELLED when the caller has given up */
  throwIfGivenUp(): void {
    if (this.signal?.aborted !== true) return;
    throw new QuorateError("the call was given up by its caller", {
      code: "CANCELLED",
      reason: "CANCELLED",
      cause: this.signal.reason,
    });
  }

  /** Takes note of whether a failed attempt may have changed something. */
  note(error: QuorateError): void {
    if (leavesOutcomeOpen(error)) this.maybeApplied = true;
  }

  /**
   * Takes note of a failed attempt and waits until the next one is due.
   *
   * @throws QuorateError the failure, when there is no point in or no time for another attempt
   */
  async afterFailure(error: QuorateError, address: string): Promise<void> {
    this.note(error);
    this.#failures += 1;
    if (error.code === "DEADLINE_EXCEEDED") this.#timeouts += 1;
    if (error.reason !== "UNSPECIFIED" && error.reason !== "UNREACHABLE") this.#told = error;
    this.throwIfGivenUp();
    if (!isWorthRepeating(error)) throw error;
    this.#chooseEndpoint(error, address);
    const delayMs = this.#delayMs(error);
    const leftMs = this.remainingMs - delayMs;
    const neededMs = Math.min(LAST_ATTEMPT_MS_MIN, this.#plan.deadlineMs * LAST_ATTEMPT_SHARE_MIN);
    if (leftMs <= (error.outcome === "not_applied" ? neededMs : 0)) throw this.#mostTelling(error);
    if (delayMs > 0) await pause(this.#timing, delayMs, this.signal);
    this.throwIfGivenUp();
  }

  /** That a node cannot be reached says nothing where another one said why it would not. */
  #mostTelling(error: QuorateError): QuorateError {
    const saysNothing = error.code === "UNAVAILABLE" && error.outcome === "not_applied";
    const isSilent = error.reason === "UNSPECIFIED" || error.reason === "UNREACHABLE";
    return saysNothing && isSilent && this.#told !== null ? this.#told : error;
  }

  #chooseEndpoint(error: QuorateError, address: string): void {
    if (this.#plan.address !== undefined) return;
    if (error.reason === "NOT_LEADER" && error.leader !== null && error.leader.address !== "") {
      this.#pool.prefer(error.leader.address);
    } else if (MOVES_ON.has(error.code)) {
      this.#pool.moveOnFrom(address);
    }
  }

  /** No wait while there is an endpoint that was not asked in this round, unless the one that answered is overloaded. */
  #delayMs(error: QuorateError): number {
    const size = this.#plan.address === undefined ? this.#pool.size : 1;
    if (error.code !== "RESOURCE_EXHAUSTED" && this.#failures % size !== 0) return 0;
    const round = Math.floor(this.#failures / size);
    const ceilingMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(round, 8));
    return ceilingMs * (0.5 + this.#timing.random() / 2);
  }
}

/** Statuses after which another endpoint may fare better. */
const MOVES_ON: ReadonlySet<StatusName> = new Set<StatusName>([
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "INTERNAL",
  "CANCELLED",
  "UNKNOWN",
]);

/** Statuses that are given before a call is looked at, also where no detail says so. */
const NEVER_BEGUN: ReadonlySet<StatusName> = new Set<StatusName>([
  "UNIMPLEMENTED",
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
]);

/** Every call that comes here is a read or has a request id, so an open outcome is a reason to ask again. */
function isWorthRepeating(error: QuorateError): boolean {
  if (error.reason === "SESSION_EXPIRED" || error.reason === "ANSWER_DROPPED") return false;
  return error.retryable || (error.outcome === "unknown" && error.code !== "DATA_LOSS");
}

/**
 * Whether a failed attempt may have changed something, or may yet. A server's refusal says so itself: a gateway that sent
 * the attempt on more than once says of any refusal that the outcome is unknown where that of an earlier sending is.
 */
export function leavesOutcomeOpen(error: QuorateError): boolean {
  if (error.outcome !== null) return error.outcome === "unknown";
  return (error.retryable || error.reason === "UNSPECIFIED") && !NEVER_BEGUN.has(error.code);
}
