import type { CallOptions, ReadOptions, WriteOptions } from "#client/call-options";
import { integer } from "#client/codec";
import type { Kv } from "#client/kv";

/** What setting a counter takes. */
export interface CounterSetOptions extends CallOptions {
  /** The lease to attach the counter to. Without it, setting detaches the counter from its lease. */
  readonly leaseId?: bigint;
}

/**
 * A number of 64 bits under one key. Each change is applied once, also when it had to be sent again.
 *
 * @example
 * const visits = kv.counter("visits");
 * await visits.increment(); // 1n
 * await visits.decrement(3); // -2n
 */
export class Counter {
  /** The key that holds the number, as decimal text. */
  readonly key: string;
  readonly #kv: Kv;

  /** Made by `kv.counter(key)`. */
  constructor(kv: Kv, key: string) {
    this.#kv = kv;
    this.key = key;
  }

  /** The number; 0 when there is no such key. @throws QuorateError INVALID_ARGUMENT when the value is no integer */
  async get(options?: ReadOptions): Promise<bigint> {
    const record = await this.#kv.get(this.key, options);
    return record === undefined ? 0n : record.as(integer);
  }

  /**
   * Adds (1 by default) and returns the new number. Fails with NOT_AN_INTEGER where the value is none, and with
   * INTEGER_OVERFLOW where the result does not fit in 64 bits; nothing changes then.
   */
  increment(by?: number | bigint, options?: WriteOptions): Promise<bigint> {
    return this.#kv.increment(this.key, by, options);
  }

  /** Takes away (1 by default) and returns the new number. Fails as `increment` does. */
  decrement(by?: number | bigint, options?: WriteOptions): Promise<bigint> {
    return this.#kv.decrement(this.key, by, options);
  }

  /** Makes it this number, whatever it was. */
  async set(value: number | bigint, options?: CounterSetOptions): Promise<void> {
    const exact = typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
    await this.#kv.put(this.key, integer.encode(exact as bigint), options);
  }

  /** Makes it 0. */
  reset(options?: CounterSetOptions): Promise<void> {
    return this.set(0, options);
  }
}
