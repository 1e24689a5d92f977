import type { ClusterCallOptions, ClusterMember } from "./administration";
import type { EndpointPool, PoolObserver } from "./endpoint-pool";
import { QuorateError } from "./errors";
import type { Timing } from "./timing";

/** A short run of a program asks for no members. */
const FIRST_MS = 1000;

/** Two replacements of nodes take longer than this, so that of those known before one is always left to ask. */
const PERIOD_MS = 3000;

/** After a failure of an endpoint, which may be the first sign that its node was removed. */
const SOON_MS = 200;

const DEADLINE_MS = 5000;

/** How the members are asked for. */
export interface MemberInquiry {
  /** Whether the user said that members are to be followed, whatever the endpoints are. */
  readonly isTold: boolean;
  ask(options: ClusterCallOptions): Promise<readonly ClusterMember[]>;
}

/**
 * Keeps the endpoints of a client in step with the members of its cluster. What it asks is no part of anybody's call: its
 * failures are tried again later, and it holds no process.
 */
export class MemberFollowing implements PoolObserver {
  readonly #pool: EndpointPool;
  readonly #timing: Timing;
  readonly #inquiry: MemberInquiry;
  readonly #ended = new AbortController();
  #cancel: (() => void) | null = null;
  #dueAtMs = Number.POSITIVE_INFINITY;
  #hasBegun = false;
  #isAsking = false;

  constructor(pool: EndpointPool, timing: Timing, inquiry: MemberInquiry) {
    this.#pool = pool;
    this.#timing = timing;
    this.#inquiry = inquiry;
  }

  used(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#askIn(FIRST_MS);
  }

  moved(): void {
    // What is asked now moves on itself, and its answer is as new as can be.
    if (!this.#isAsking) this.#askIn(SOON_MS);
  }

  close(): void {
    this.#ended.abort();
    this.#cancel?.();
  }

  #askIn(delayMs: number): void {
    const dueAtMs = this.#timing.nowMs() + delayMs;
    if (this.#ended.signal.aborted || this.#dueAtMs <= dueAtMs) return;
    this.#cancel?.();
    this.#dueAtMs = dueAtMs;
    this.#cancel = this.#timing.schedule(
      delayMs,
      () => {
        this.#dueAtMs = Number.POSITIVE_INFINITY;
        void this.#ask();
      },
      "idle",
    );
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const goesOn = await this.#learn();
    this.#isAsking = false;
    if (goesOn) this.#askIn(PERIOD_MS * (0.75 + this.#timing.random() / 2));
    else this.close();
  }

  /** Whether there is a point in asking again. */
  async #learn(): Promise<boolean> {
    const { ask, isTold } = this.#inquiry;
    try {
      const members = await ask({ deadlineMs: DEADLINE_MS, signal: this.#ended.signal });
      const addresses = members
        .toSorted((left, right) => Number(right.voter) - Number(left.voter))
        .map(({ clientAddress }) => clientAddress)
        .filter((address) => address !== "");
      // Whoever knows no leader may have missed how the members changed.
      const isWhole = members.some(({ leader }) => leader);
      return addresses.length === 0 || this.#pool.learn(addresses, { isWhole, isTold });
    } catch (thrown) {
      // The calls of the user fail by themselves where this does; all but a server without this call may answer later.
      return QuorateError.from(thrown).code !== "UNIMPLEMENTED";
    }
  }
}
