import type { TxnOperation, TxnRequest, TxnResponse, TxnResult } from "@quorate/proto/kv";
import type { BytesLike } from "#client/bytes";
import type { WriteOptions } from "#client/call-options";
import { invalidArgument, QuorateError } from "#client/errors";
import type { DeleteResult, PutResult } from "#client/kv";
import {
  compare,
  type Operation,
  op,
  Txn,
  type TxnDeleteOptions,
  type TxnPutOptions,
} from "#client/txn/index";
import type { Place } from "./line";

/**
 * Something that is held as long as a key is there: a lock, a permit, leadership. `put`, `delete` and `txn` write only
 * while it is: each compares the key within the same Txn, so a holder that has lost it without knowing changes nothing.
 */
export abstract class Holding {
  /**
   * The fencing token: the create revision of the holder's key. A later holder has a higher one, so a service outside the
   * cluster can refuse those who come with a lower one than it has seen.
   */
  readonly token: number;
  /** The key that stands for it, to be compared with in Txns of your own. */
  readonly key: string;
  protected readonly place: Place;
  readonly #what: string;
  readonly #lost = new AbortController();

  /** @param what it is, for errors: `the lock "a"` */
  protected constructor(place: Place, what: string) {
    this.place = place;
    this.token = place.token;
    this.key = place.key;
    this.#what = what;
    const { signal } = place.lease;
    const follow = () => this.#lost.abort(signal.reason);
    signal.addEventListener("abort", follow, { once: true });
    if (signal.aborted) follow();
  }

  /**
   * Aborted when it is lost, can no longer be shown to be held, or was given back: see {@link Lease.signal}. A write that
   * found the key gone aborts it too.
   */
  get signal(): AbortSignal {
    // A look at the lease's own signal makes it look at the clock.
    if (this.place.lease.signal.aborted && !this.#lost.signal.aborted) {
      this.#lost.abort(this.place.lease.signal.reason);
    }
    return this.#lost.signal;
  }

  /** Writes a value, unless it is lost: fails with CONDITION_FAILED then. */
  async put(
    key: BytesLike,
    value: BytesLike,
    options: TxnPutOptions & WriteOptions = {},
  ): Promise<PutResult> {
    const outcome = await this.txn()
      .do(op.put(key, value, options))
      .commit(options);
    if (!outcome.succeeded) throw this.#lostError();
    return { revision: outcome.revision, previous: outcome.results[0].previous };
  }

  /** Deletes a key, unless it is lost: fails with CONDITION_FAILED then. */
  async delete(key: BytesLike, options: TxnDeleteOptions & WriteOptions = {}): Promise<DeleteResult> {
    const outcome = await this.txn().do(op.delete(key, options)).commit(options);
    if (!outcome.succeeded) throw this.#lostError();
    return { revision: outcome.revision, ...outcome.results[0] };
  }

  /**
   * Begins a Txn that is carried out only while it is held; its commit fails with CONDITION_FAILED otherwise. With
   * comparisons of its own it may hold no nested Txn, for it becomes one.
   *
   * @example
   * const { succeeded } = await lock.txn().if(compare.exists("job/7")).do(op.delete("job/7")).commit();
   */
  txn(): Txn {
    return new Txn((request, options) => this.#commit(request, options), [], [], []);
  }

  /** Gives it back, for the next in line. Safe twice. */
  async release(): Promise<void> {
    await this.place.lease.revoke();
  }

  /** Gives it back at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  async #commit(request: TxnRequest, options: WriteOptions): Promise<TxnResponse> {
    if (options.namespace !== undefined) {
      throw invalidArgument(`${this.#what} guards writes of its own namespace only`);
    }
    if (this.signal.aborted) throw this.#lostError();
    const isPlain = request.compares.length === 0;
    const guarded = await this.place.line.ground.kv
      .txn()
      .if(compare.createRevision(this.key).equals(this.token))
      .do(...(isPlain ? request.success.map(asItIs) : [nested(request)]))
      .commit(options);
    if (!guarded.succeeded) {
      const error = this.#lostError();
      this.#lost.abort(error);
      throw error;
    }
    const header = { clusterId: "", memberId: "", term: 0n, revision: BigInt(guarded.revision) };
    const [first] = guarded.results;
    if (isPlain) return { header, succeeded: true, results: [...guarded.results] };
    if (first?.result?.$case !== "txn") throw new TypeError("a nested Txn answers as one");
    return { ...first.result.value, header };
  }

  #lostError(): QuorateError {
    return new QuorateError(`${this.#what} is not held any more: nothing was written`, {
      code: "FAILED_PRECONDITION",
      reason: "CONDITION_FAILED",
      outcome: "not_applied",
      ...(this.#lost.signal.aborted ? { cause: this.#lost.signal.reason } : {}),
    });
  }
}

function asItIs(message: TxnOperation): Operation<TxnResult> {
  return { message, result: (answer) => answer };
}

function nested(request: TxnRequest): Operation<TxnResult> {
  const isDeep = [...request.success, ...request.failure].some(({ operation }) => operation?.$case === "txn");
  if (isDeep) throw invalidArgument("a guarded Txn with comparisons of its own may hold no nested Txn");
  return asItIs({ operation: { $case: "txn", value: request } });
}
