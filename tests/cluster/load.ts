import { setTimeout as delay } from "node:timers/promises";
import { expect } from "@jest/globals";
import { type Kv, QuorateError } from "@quorate/client";

/** What became of the writes of a load. Each key is written once. */
export interface Ledger {
  /** Key to value: these must be there from now on, whatever happens. */
  readonly acknowledged: ReadonlyMap<string, string>;
  /** Keys whose write was refused with the word that it was not applied: these must not be there. */
  readonly refused: ReadonlyMap<string, QuorateError>;
  /** Keys of which nobody knows. */
  readonly open: ReadonlyMap<string, QuorateError>;
}

export interface ClosedLoopOptions {
  readonly callers: number;
  /** How long each caller rests after a write: by default not at all where the loop has an end, else a little. */
  readonly restMs?: number;
  readonly writesMax?: number;
  /** Values are made at least this long. */
  readonly valueBytes?: number;
}

/** What leaves the machine to the test beside a loop, and keeps some hundred writes a second going. */
const REST_MS = 20;

/** Writes that go on beside a test until it stops them. */
export class Load implements Ledger {
  readonly acknowledged = new Map<string, string>();
  readonly refused = new Map<string, QuorateError>();
  readonly open = new Map<string, QuorateError>();
  readonly prefix: string;
  readonly #kv: Kv;
  readonly #valueBytes: number;
  readonly #running = new Set<Promise<void>>();
  #begun = 0;
  #isStopped = false;
  #longestGapMs = 0;
  #lastAcknowledgedAtMs = performance.now();

  private constructor(kv: Kv, prefix: string, valueBytes = 0) {
    this.#kv = kv;
    this.prefix = prefix;
    this.#valueBytes = valueBytes;
  }

  /** As many writes as there are callers are open at a time; ends by itself after `writesMax`. */
  static closedLoop(
    kv: Kv,
    prefix: string,
    { callers, writesMax, valueBytes = 0, restMs = writesMax === undefined ? REST_MS : 0 }: ClosedLoopOptions,
  ): Load {
    const load = new Load(kv, prefix, valueBytes);
    const caller = async () => {
      while (!load.#isStopped && load.#begun < (writesMax ?? Number.MAX_SAFE_INTEGER)) {
        await load.#write();
        if (restMs > 0) await delay(restMs);
      }
    };
    for (let at = 0; at < callers; at += 1) load.#track(caller());
    return load;
  }

  /** Begins writes at an even pace, whatever becomes of the earlier ones. */
  static steady(kv: Kv, prefix: string, { perSecond }: { readonly perSecond: number }): Load {
    const load = new Load(kv, prefix);
    const startedAtMs = performance.now();
    const beginDue = () => {
      const due = Math.floor(((performance.now() - startedAtMs) / 1000) * perSecond);
      while (load.#begun < due) load.#track(load.#write());
    };
    const timer = setInterval(() => (load.#isStopped ? clearInterval(timer) : beginDue()), 1000 / perSecond);
    return load;
  }

  /** How many writes were begun. */
  get begun(): number {
    return this.#begun;
  }

  /** The longest time without an acknowledged write since the start or the last `resetGap()`, the current one included. */
  get longestGapMs(): number {
    return Math.max(this.#longestGapMs, performance.now() - this.#lastAcknowledgedAtMs);
  }

  resetGap(): void {
    this.#longestGapMs = 0;
    this.#lastAcknowledgedAtMs = performance.now();
  }

  /** Resolves when a closed loop with an end has come to it. */
  async done(): Promise<this> {
    await Promise.all(this.#running);
    return this;
  }

  /** Begins no more writes, and resolves when the open ones have ended. */
  stop(): Promise<this> {
    this.#isStopped = true;
    return this.done();
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  async #write(): Promise<void> {
    const number = this.#begun++;
    const key = `${this.prefix}${number.toString().padStart(6, "0")}`;
    const value = `value ${number} of ${this.prefix}`.padEnd(this.#valueBytes, ".");
    try {
      await this.#kv.put(key, value);
      this.#acknowledge(key, value);
    } catch (failure) {
      if (!(failure instanceof QuorateError)) throw failure;
      // The client was closed under it: the test has failed, and nobody is left to stop the load.
      if (failure.code === "CANCELLED") this.#isStopped = true;
      (failure.outcome === "not_applied" ? this.refused : this.open).set(key, failure);
    }
  }

  #acknowledge(key: string, value: string): void {
    this.acknowledged.set(key, value);
    const nowMs = performance.now();
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastAcknowledgedAtMs);
    this.#lastAcknowledgedAtMs = nowMs;
  }
}

/** All acknowledged writes are there as they were written, and none that was refused. */
export async function expectNothingLost(kv: Kv, load: Ledger & { readonly prefix: string }): Promise<void> {
  const found = new Map<string, string>();
  for await (const record of kv.scan({ prefix: load.prefix })) found.set(record.key, record.text());
  const lost = [...load.acknowledged].filter(([key, value]) => found.get(key) !== value).map(([key]) => key);
  const appliedThoughRefused = [...load.refused.keys()].filter((key) => found.has(key));
  const foreign = [...found.keys()].filter(
    (key) => !load.acknowledged.has(key) && !load.open.has(key) && !load.refused.has(key),
  );
  expect({ lost, appliedThoughRefused, foreign }).toEqual({
    lost: [],
    appliedThoughRefused: [],
    foreign: [],
  });
}
