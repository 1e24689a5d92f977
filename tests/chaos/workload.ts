import { type Kv, type KvRecord, QuorateError } from "@quorate/client";
import { type Random, seededRandom } from "@quorate/services/std";
import {
  type ArgsOf,
  type HistoryRecord,
  HistoryRecorder,
  type OpenOperation,
  type OperationName,
} from "../judge";
import { EPOCH_MS, type KeyKind, keyOf, PREFIX } from "./keys";
import type { LastLook } from "./verdict";

export interface WorkloadOptions {
  readonly seed: number;
  /** Operations a second of all callers together, as long as they are answered. */
  readonly opsPerSecond: number;
  /** One caller for each: it runs one operation at a time, through what it is given then. */
  readonly kvs: readonly (() => Kv)[];
  /** Called with each operation that has ended. */
  readonly record: (record: HistoryRecord) => void;
}

/** What callers do while a cluster is attacked, recorded. */
export class Workload {
  readonly startedAtMs = performance.now();
  readonly #recorder: HistoryRecorder;
  readonly #callers: readonly Caller[];
  readonly #outage = new Outage();
  #running: Promise<void> | null = null;
  #isStopped = false;

  constructor({ seed, opsPerSecond, kvs, record }: WorkloadOptions) {
    const random = seededRandom(seed);
    this.#recorder = new HistoryRecorder(record);
    this.#callers = kvs.map(
      (kv, at) =>
        new Caller({
          name: `c${at + 1}`,
          kv,
          random: random.fork(),
          recorder: this.#recorder,
          epoch: () => Math.floor((performance.now() - this.startedAtMs) / EPOCH_MS),
          onWritten: () => this.#outage.end(),
        }),
    );
    this.start((1000 * kvs.length) / opsPerSecond);
  }

  /** The longest time between two acknowledged writes since the last `resetOutage()`, the present one included. */
  get longestOutageMs(): number {
    return this.#outage.longestMs;
  }

  resetOutage(): void {
    this.#outage.reset();
  }

  /** Begins no more operations; resolves when the open ones have ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /**
   * Reads all keys that were ever used, each as one more operation of the history. Callers must have stopped.
   *
   * @param keys all keys of the history
   */
  async lastLook(kv: Kv, keys: Iterable<string>): Promise<LastLook> {
    const all = new Set(keys);
    const startedAtNs = process.hrtime.bigint();
    const records = new Map<string, KvRecord>();
    for await (const record of kv.scan({ prefix: PREFIX })) {
      records.set(record.key, record);
      all.add(record.key);
    }
    const endedAtNs = process.hrtime.bigint();
    const reads: HistoryRecord[] = [];
    const recorder = new HistoryRecorder((record) => reads.push(record));
    for (const key of all) {
      const record = records.get(key);
      const result =
        record === undefined ? { value: null } : { value: record.text(), rev: record.modRevision };
      // A caller each, for all these reads happened in the one scan.
      recorder.invoke(`look-${key}`, "get", key, {}, startedAtNs).ok(result, endedAtNs);
    }
    const found = new Map([...records].map(([key, record]) => [key, record.text()]));
    return { found, reads, endedAtNs };
  }

  private start(intervalMs: number): void {
    const until = () => this.#isStopped;
    this.#running = Promise.all(
      this.#callers.map((caller, at) =>
        caller.run(intervalMs, (at * intervalMs) / this.#callers.length, until),
      ),
    ).then(() => undefined);
  }
}

/** How long nobody's write was acknowledged. */
class Outage {
  #longestMs = 0;
  #sinceMs = performance.now();

  get longestMs(): number {
    return Math.max(this.#longestMs, performance.now() - this.#sinceMs);
  }

  end(): void {
    this.#longestMs = this.longestMs;
    this.#sinceMs = performance.now();
  }

  reset(): void {
    this.#longestMs = 0;
    this.#sinceMs = performance.now();
  }
}

interface CallerOptions {
  readonly name: string;
  readonly kv: () => Kv;
  readonly random: Random;
  readonly recorder: HistoryRecorder;
  readonly epoch: () => number;
  readonly onWritten: () => void;
}

/** What one record of a key was when the caller saw it last. */
interface Seen {
  readonly value: string | null;
  readonly revision: number;
}

class Caller {
  readonly #options: CallerOptions;
  #operations = 0;
  /** Of the present epoch's registers, for a conditional write needs the revision of what it expects. */
  #seen = new Map<string, Seen>();
  #seenEpoch = -1;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  async run(intervalMs: number, delayMs: number, isStopped: () => boolean): Promise<void> {
    let dueAtMs = performance.now() + delayMs;
    while (!isStopped()) {
      const waitMs = dueAtMs - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      await this.#operate();
      // What an unanswered call has cost is not made good by a burst.
      dueAtMs = Math.max(dueAtMs + intervalMs, performance.now() - intervalMs);
    }
  }

  #operate(): Promise<void> {
    const epoch = this.#options.epoch();
    if (epoch !== this.#seenEpoch) this.#seen = new Map();
    this.#seenEpoch = epoch;
    this.#operations += 1;
    const kind = KINDS[this.#draw(KINDS.length)] as KeyKind;
    const key = keyOf(
      epoch,
      kind,
      kind === "once" ? `${this.#options.name}-${this.#operations}` : this.#draw(2),
    );
    const choice = this.#draw(100);
    switch (kind) {
      case "register":
        if (choice < 35) return this.#get(key);
        if (choice < 65) return this.#put(key);
        if (choice < 88) return this.#cas(key);
        return this.#delete(key);
      case "counter":
        return choice < 40 ? this.#get(key) : this.#increment(key);
      case "list":
        return choice < 40 ? this.#get(key) : this.#append(key);
      case "once":
        return this.#put(key);
    }
  }

  async #get(key: string): Promise<void> {
    const operation = this.#invoke("get", key, {});
    try {
      const record = await this.#options.kv().get(key);
      const seen = { value: record?.text() ?? null, revision: record?.modRevision ?? 0 };
      this.#seen.set(key, seen);
      operation.ok({ value: seen.value, ...(record === undefined ? {} : { rev: seen.revision }) }, now());
    } catch (thrown) {
      this.#failed(operation, thrown);
    }
  }

  async #put(key: string): Promise<void> {
    const value = this.#newValue();
    const operation = this.#invoke("put", key, { value });
    try {
      const { revision } = await this.#options.kv().put(key, value);
      this.#seen.set(key, { value, revision });
      operation.ok({ rev: revision }, now());
      this.#options.onWritten();
    } catch (thrown) {
      this.#failed(operation, thrown);
    }
  }

  /** By revision, which says more than the value: no two writes of a key write the same value. */
  async #cas(key: string): Promise<void> {
    const seen = this.#seen.get(key) ?? { value: null, revision: 0 };
    const value = this.#newValue();
    const operation = this.#invoke("cas", key, { expect: seen.value, value });
    try {
      const { revision } = await this.#options.kv().put(key, value, { expectedModRevision: seen.revision });
      this.#seen.set(key, { value, revision });
      operation.ok({ swapped: true, rev: revision }, now());
      this.#options.onWritten();
    } catch (thrown) {
      this.#seen.delete(key);
      if (thrown instanceof QuorateError && thrown.reason === "CONDITION_FAILED")
        operation.ok({ swapped: false }, now());
      else this.#failed(operation, thrown);
    }
  }

  async #delete(key: string): Promise<void> {
    const operation = this.#invoke("delete", key, {});
    try {
      const { deleted, revision } = await this.#options.kv().delete(key);
      this.#seen.set(key, { value: null, revision: 0 });
      operation.ok({ deleted, ...(deleted ? { rev: revision } : {}) }, now());
      this.#options.onWritten();
    } catch (thrown) {
      this.#failed(operation, thrown);
    }
  }

  async #increment(key: string): Promise<void> {
    const by = this.#draw(2) === 0 ? 1 + this.#draw(5) : -1 - this.#draw(3);
    const operation = this.#invoke("incr", key, { by });
    try {
      const value = await this.#options.kv().increment(key, by);
      operation.ok({ value: Number(value) }, now());
      this.#options.onWritten();
    } catch (thrown) {
      this.#failed(operation, thrown);
    }
  }

  async #append(key: string): Promise<void> {
    const value = `${this.#newValue()};`;
    const operation = this.#invoke("append", key, { value });
    try {
      const record = await this.#options.kv().append(key, value);
      if (record === undefined) throw new Error(`an append to "${key}" returned no record`);
      operation.ok({ value: record.text(), rev: record.modRevision }, now());
      this.#options.onWritten();
    } catch (thrown) {
      this.#failed(operation, thrown);
    }
  }

  #invoke<Op extends OperationName>(op: Op, key: string, args: ArgsOf<Op>): OpenOperation<Op> {
    const { name, recorder } = this.#options;
    return recorder.invoke(name, op, key, args, now());
  }

  #failed(operation: { fail(nowNs: bigint): void; unknown(): void }, thrown: unknown): void {
    if (!(thrown instanceof QuorateError)) throw thrown;
    if (thrown.outcome === "not_applied") operation.fail(now());
    else operation.unknown();
  }

  #newValue(): string {
    return `${this.#options.name}.${this.#operations}`;
  }

  #draw(bound: number): number {
    return this.#options.random.below(bound);
  }
}

const KINDS: readonly KeyKind[] = ["register", "register", "register", "counter", "list", "once"];

function now(): bigint {
  return process.hrtime.bigint();
}
