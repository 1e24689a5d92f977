import { QuorateError, type Reason } from "#client/errors";
import { pause, type Timing } from "#client/timing";
import type { LeaseKeeper } from "./lease-keeper";
import type { Renewal } from "./renewal-stream";

/** A lease is renewed when this part of its time to live has passed, so that two more attempts fit in. */
const RENEWAL_PART = 1 / 3;

/** A server may take this part of the time to live to answer a renewal, within the bounds. */
const ANSWER_PART = 1 / 6;
const ANSWER_MS_MIN = 250;
const ANSWER_MS_MAX = 3000;

/** What a lease is made of. */
export interface LeaseParts {
  readonly id: bigint;
  readonly ttlMs: number;
  readonly namespace: string;
  /** When the call that granted it was sent, by the client's clock. */
  readonly grantedAtMs: number;
  readonly keepAlive: boolean;
  readonly keeper: LeaseKeeper;
  readonly timing: Timing;
  /** Ends it at the server; resolves with how many keys were deleted. */
  revoke(): Promise<number>;
}

/**
 * A lease that this client has been granted. Keys that are attached to it vanish together when it ends.
 *
 * The client renews it after each third of its time to live, through fail-overs. It counts the time from when the last
 * answered renewal was sent: once that is longer ago than the time to live, the lease cannot be shown to be alive, and
 * `signal` is aborted, whether or not the server has ended it by then. A lease never comes back from that.
 *
 * @example
 * await using lease = await quorate.leases.grant({ ttlMs: 10_000 });
 * await quorate.kv.put("worker/7", "here", { leaseId: lease.id });
 * await work(lease.signal); // stops when the lease is lost
 */
export class Lease {
  /** Its number, never used again. Ids use all 64 bits, hence a bigint. */
  readonly id: bigint;
  /** Its time to live, in milliseconds. */
  readonly ttlMs: number;
  readonly #parts: LeaseParts;
  readonly #ended = new AbortController();
  readonly #renewals = new AbortController();
  readonly #letGo: () => void;
  #aliveUntilMs: number;
  #cancelClock: () => void = () => undefined;

  /** Leases are made by `leases.grant`. */
  constructor(parts: LeaseParts) {
    this.id = parts.id;
    this.ttlMs = parts.ttlMs;
    this.#parts = parts;
    this.#aliveUntilMs = parts.grantedAtMs + parts.ttlMs;
    this.#letGo = parts.keeper.add(() => this.#end("CANCELLED", "the client of the lease was closed"));
    this.#watchClock();
    if (parts.keepAlive) void this.#keepAlive();
  }

  /**
   * Aborted when the lease has ended or can no longer be shown to be alive: its reason is a QuorateError with the reason
   * UNKNOWN_LEASE (the server knows it no more), DEADLINE_EXCEEDED (it could not be renewed in time), or CANCELLED (this
   * client has revoked it, or was closed).
   */
  get signal(): AbortSignal {
    // After a standstill of the process the clock may know before its timer does.
    if (this.#parts.timing.nowMs() >= this.#aliveUntilMs) this.#loseByClock();
    return this.#ended.signal;
  }

  /**
   * Ends the lease and deletes its keys; `signal` is aborted at once. One that has ended already is no error.
   *
   * @returns how many keys were deleted
   * @throws QuorateError when the cluster cannot be reached: it ends by itself then, after its time to live
   */
  async revoke(): Promise<number> {
    this.#end("CANCELLED", "the lease was revoked by this client");
    try {
      return await this.#parts.revoke();
    } catch (thrown) {
      const error = QuorateError.from(thrown);
      if (error.reason === "UNKNOWN_LEASE" || error.reason === "UNKNOWN_NAMESPACE") return 0;
      throw error;
    }
  }

  /** Stops renewing the lease: it ends by itself after its time to live, and its keys with it. Safe twice. */
  close(): void {
    this.#renewals.abort();
  }

  /** Revokes the lease at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.revoke();
  }

  #watchClock(): void {
    const { timing } = this.#parts;
    const remainingMs = Math.max(0, this.#aliveUntilMs - timing.nowMs());
    this.#cancelClock = timing.schedule(remainingMs, () => {
      if (timing.nowMs() >= this.#aliveUntilMs) this.#loseByClock();
      else this.#watchClock();
    });
  }

  async #keepAlive(): Promise<void> {
    const { timing, grantedAtMs } = this.#parts;
    const { signal } = this.#renewals;
    let dueAtMs = grantedAtMs + this.ttlMs * RENEWAL_PART;
    while (!signal.aborted) {
      await pause(timing, Math.max(0, dueAtMs - timing.nowMs()), signal);
      if (signal.aborted) return;
      // Where it was refused: a server that does so may be replaced by another, as long as the clock allows.
      const renewedAtMs = (await this.#renew()) ?? timing.nowMs();
      dueAtMs = renewedAtMs + this.ttlMs * RENEWAL_PART;
    }
  }

  /** @returns when the renewal was sent; null when it was refused or given up */
  async #renew(): Promise<number | null> {
    const { keeper, namespace } = this.#parts;
    const answerMs = Math.min(ANSWER_MS_MAX, Math.max(ANSWER_MS_MIN, this.ttlMs * ANSWER_PART));
    let renewal: Renewal;
    try {
      renewal = await keeper.renew(namespace, this.id, answerMs, this.#renewals.signal);
    } catch {
      // Its consequence is the clock's: unless a later renewal succeeds in time, the lease is lost.
      return null;
    }
    if (renewal.ttlMs === 0) this.#end("UNKNOWN_LEASE", "the lease has ended at the server");
    if (!this.signal.aborted) {
      this.#aliveUntilMs = Math.max(this.#aliveUntilMs, renewal.sentAtMs + renewal.ttlMs);
    }
    return renewal.sentAtMs;
  }

  #loseByClock(): void {
    this.#end("DEADLINE_EXCEEDED", `the lease was not renewed within its time to live of ${this.ttlMs} ms`);
  }

  #end(reason: Reason & ("CANCELLED" | "UNKNOWN_LEASE" | "DEADLINE_EXCEEDED"), message: string): void {
    if (this.#ended.signal.aborted) return;
    this.close();
    this.#cancelClock();
    this.#letGo();
    const code = reason === "UNKNOWN_LEASE" ? "NOT_FOUND" : reason;
    this.#ended.abort(new QuorateError(message, { code, reason }));
  }
}
