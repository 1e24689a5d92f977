import type { Core } from "#client/core";
import type { QuorateError } from "#client/errors";
import { reactionTo } from "./reaction";

const BACKOFF_MS_MIN = 20;
const BACKOFF_MS_MAX = 1000;

/** The time in which nothing was received: where to turn, how soon, and when to give up. */
export class Outage {
  readonly #core: Core;
  readonly #beginMs: number;
  #address = "";
  #failures = 0;
  #sinceMs: number;

  /** @param beginMs how long the first one may last, before the watch has begun */
  constructor(core: Core, beginMs: number) {
    this.#core = core;
    this.#beginMs = beginMs;
    this.#sinceMs = core.timing.nowMs();
  }

  /** The endpoint that is asked now. */
  at(address: string): void {
    this.#address = address;
  }

  /** Something was received, or nothing was wanted. */
  over(): void {
    this.#failures = 0;
    this.#sinceMs = this.#core.timing.nowMs();
  }

  /** How long to wait before the next attempt, in milliseconds; null when it is time to give up. */
  afterFailure(error: QuorateError, hasBegun: boolean): number | null {
    const { pool, timing } = this.#core;
    this.#failures += 1;
    const reaction = reactionTo(error);
    if (reaction === "elsewhere") pool.moveOnFrom(this.#address);
    const delayMs = this.#delayMs(reaction === "elsewhere" ? pool.size : 1);
    const isLate = timing.nowMs() + delayMs - this.#sinceMs >= this.#beginMs;
    return isLate && !hasBegun ? null : delayMs;
  }

  /** No wait while there is an endpoint that was not asked in this round. */
  #delayMs(endpoints: number): number {
    if (this.#failures % endpoints !== 0) return 0;
    const round = Math.floor(this.#failures / endpoints);
    const ceilingMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(round, 8));
    return ceilingMs * (0.5 + this.#core.timing.random() / 2);
  }
}
