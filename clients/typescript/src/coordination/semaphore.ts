import { invalidArgument } from "#client/errors";
import type { KvRecord } from "#client/record";
import { compare, op } from "#client/txn/index";
import { Holding } from "./holding";
import { prefixOf } from "./keys";
import { type Ground, Line, type LineState, type Place, placeGone } from "./line";
import { HOLD_TTL_MS, type HoldOptions } from "./lock";
import { agreedNumber, numberValue } from "./size";
import { orLeave } from "./turn";
import { Waiting } from "./waiting";

/** What a semaphore is. */
export interface SemaphoreOptions {
  /** How many may hold a permit at a time, at least 1: the same for all who use the semaphore. */
  readonly permits: number;
  /** The namespace; the client's own by default. */
  readonly namespace?: string;
}

/** What taking a permit takes. */
export type AcquireOptions = Omit<HoldOptions, "namespace">;

/** A permit of a semaphore that this client holds. Guards writes as a lock does. */
export class Permit extends Holding {
  /** Permits are taken by `semaphore.acquire`. */
  constructor(place: Place, name: string) {
    super(place, described(name));
  }
}

/**
 * A semaphore: at most `permits` hold one at a time, in the order of their coming. A permit whose holder fails is free
 * again when its lease ends.
 *
 * @example
 * const semaphore = quorate.semaphore("exports", { permits: 3 });
 * await using permit = await semaphore.acquire({ deadlineMs: 60_000 });
 * await exportAll(permit.signal);
 */
export class Semaphore {
  /** Its name. */
  readonly name: string;
  /** How many may hold a permit at a time. */
  readonly permits: number;
  readonly #ground: Ground;
  readonly #prefix: string;

  /** Semaphores are made by `quorate.semaphore`. */
  constructor(ground: Ground, name: string, permits: number) {
    if (!Number.isSafeInteger(permits) || permits < 1) {
      throw invalidArgument(`permits must be a whole number of at least 1, not ${permits}`);
    }
    this.name = name;
    this.permits = permits;
    this.#ground = ground;
    this.#prefix = prefixOf("semaphore", name);
  }

  /** Waits for a permit behind those who came before. */
  async acquire(options: AcquireOptions = {}): Promise<Permit> {
    const waiting = new Waiting(this.#ground.core.timing, described(this.name), options);
    const line = new Line(this.#ground, this.#prefix, "values");
    try {
      const ttlMs = options.ttlMs ?? HOLD_TTL_MS;
      const { place, state } = await line.enter(numberValue("waiting", this.permits), ttlMs, waiting);
      await orLeave(place, () => this.#turn(place, state, waiting));
      return new Permit(place, this.name);
    } finally {
      waiting.close();
    }
  }

  /** Takes a permit if there is one and nobody waits for it. */
  async tryAcquire(options: AcquireOptions = {}): Promise<Permit | undefined> {
    const waiting = new Waiting(this.#ground.core.timing, described(this.name), options);
    const line = new Line(this.#ground, this.#prefix, "values");
    try {
      const ttlMs = options.ttlMs ?? HOLD_TTL_MS;
      const value = numberValue("holding", this.permits);
      const place = await line.tryEnter(value, ttlMs, this.permits, waiting, ({ records }) =>
        this.#checkAgreement(records),
      );
      return place === undefined ? undefined : new Permit(place, this.name);
    } finally {
      waiting.close();
    }
  }

  /**
   * Waits until fewer than `permits` stand before the place. Only the first who waits watches all holders. Each other one
   * watches the one before it, who says by another value when its turn has come, and so hands that task on.
   */
  async #turn(place: Place, entered: LineState, waiting: Waiting): Promise<void> {
    this.#checkAgreement(entered.records);
    for (let state = entered; ; ) {
      const ahead = place.ahead(state);
      if (ahead.length < this.permits) {
        // Those who came before this state was looked at may have found it waiting, and wait for its word.
        if (state.revision > place.token) await this.#sayTurn(place, waiting);
        return;
      }
      const revision = await this.#change(place, ahead, state, waiting);
      state = await place.line.state(waiting, revision);
    }
  }

  #change(place: Place, ahead: readonly KvRecord[], state: LineState, waiting: Waiting): Promise<number> {
    const predecessor = ahead.at(-1);
    if (ahead.length === this.permits || predecessor === undefined) {
      const holders = new Set(ahead.map(({ key }) => key));
      const leaves = (key: string, kind: "put" | "delete") => kind === "delete" && holders.has(key);
      return place.line.change({ prefix: this.#prefix }, state, waiting, leaves);
    }
    return place.line.change(predecessor.key, state, waiting, () => true);
  }

  /** Lets the one behind know that it is the first who waits. */
  async #sayTurn(place: Place, waiting: Waiting): Promise<void> {
    const { succeeded } = await this.#ground.kv
      .txn()
      .if(compare.createRevision(place.key).equals(place.token))
      .do(op.put(place.key, numberValue("holding", this.permits), { leaseId: place.lease.id }))
      .commit({ signal: waiting.signal });
    waiting.throwIfOver();
    if (!succeeded) throw placeGone();
  }

  #checkAgreement(records: readonly KvRecord[]): void {
    const theirs = agreedNumber(records, this.permits);
    if (theirs !== undefined) {
      throw invalidArgument(`${described(this.name)} is in use with ${theirs} permits, not ${this.permits}`);
    }
  }
}

function described(name: string): string {
  return `a permit of the semaphore "${name}"`;
}
