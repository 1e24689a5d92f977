import type { TxnRequest, TxnResponse } from "@quorate/proto/kv";
import { headerOf, type WriteOptions } from "#client/call-options";
import { QuorateError } from "#client/errors";
import type { Comparison } from "./comparison";
import type { Operation, ResultsOf } from "./operation";

type Operations = readonly Operation<unknown>[];

/** Which branch of a Txn was carried out, with its answers. */
export type TxnBranch<Success extends Operations, Failure extends Operations> =
  | { readonly succeeded: true; readonly results: ResultsOf<Success> }
  | { readonly succeeded: false; readonly results: ResultsOf<Failure> };

/** What a Txn did. `revision` is that of all its changes, or the present one where it changed nothing. */
export type TxnOutcome<Success extends Operations, Failure extends Operations> = TxnBranch<
  Success,
  Failure
> & { readonly revision: number };

/** Sends a finished Txn; rejects with a QuorateError. */
export type CommitTxn = (request: TxnRequest, options: WriteOptions) => Promise<TxnResponse>;

/**
 * Comparisons, what to do when all of them hold, and what to do when one does not: carried out at once or not at all, as
 * one revision, once however often it had to be sent. At most 128 operations and 128 comparisons, nested ones included.
 * An operation that fails (not an integer, a condition of its own, a limit) fails the whole, and nothing is changed.
 *
 * A Txn is never changed: each method returns another one, so a common beginning can be used again.
 *
 * @example
 * const outcome = await kv
 *   .txn()
 *   .if(compare.value("account/a").equals("10"))
 *   .do(op.put("account/a", "0"), op.increment("account/b", 10))
 *   .else(op.get("account/a"))
 *   .commit();
 * if (outcome.succeeded) console.log(`b has ${outcome.results[1]}`);
 * else console.log(`a has ${outcome.results[0]?.text()}`);
 */
export class Txn<Success extends Operations = readonly [], Failure extends Operations = readonly []> {
  readonly #commit: CommitTxn;
  readonly #compares: readonly Comparison[];
  readonly #success: Success;
  readonly #failure: Failure;

  /** Txns are made by `kv.txn()`. */
  constructor(commit: CommitTxn, compares: readonly Comparison[], success: Success, failure: Failure) {
    this.#commit = commit;
    this.#compares = compares;
    this.#success = success;
    this.#failure = failure;
  }

  /** Adds comparisons: all of them must hold. */
  if(...compares: readonly Comparison[]): Txn<Success, Failure> {
    return new Txn(this.#commit, [...this.#compares, ...compares], this.#success, this.#failure);
  }

  /** Adds operations for when all comparisons hold (always, where there are none). */
  do<Added extends Operations>(...operations: Added): Txn<readonly [...Success, ...Added], Failure> {
    return new Txn(this.#commit, this.#compares, [...this.#success, ...operations], this.#failure);
  }

  /** Adds operations for when some comparison does not hold. */
  else<Added extends Operations>(...operations: Added): Txn<Success, readonly [...Failure, ...Added]> {
    return new Txn(this.#commit, this.#compares, this.#success, [...this.#failure, ...operations]);
  }

  /** Carries it out. */
  async commit(options: WriteOptions = {}): Promise<TxnOutcome<Success, Failure>> {
    const reply = await this.#commit(this.message, options);
    return { ...this.outcome(reply), revision: headerOf(reply.header).revision };
  }

  /** As it is sent. */
  get message(): TxnRequest {
    return {
      namespace: "",
      compares: this.#compares.map(({ message }) => message),
      success: this.#success.map(({ message }) => message),
      failure: this.#failure.map(({ message }) => message),
    };
  }

  /** What an answer to it says. */
  outcome(reply: TxnResponse): TxnBranch<Success, Failure> {
    return reply.succeeded
      ? { succeeded: true, results: resultsOf(this.#success, reply) }
      : { succeeded: false, results: resultsOf(this.#failure, reply) };
  }
}

function resultsOf<Branch extends Operations>(branch: Branch, { results }: TxnResponse): ResultsOf<Branch> {
  if (results.length !== branch.length) {
    throw new QuorateError(`the server answered ${branch.length} operations with ${results.length} results`, {
      code: "INTERNAL",
      reason: "INTERNAL",
      outcome: "unknown",
    });
  }
  // The types of a tuple's items cannot be followed through map().
  return results.map((message, at) => branch[at]?.result(message)) as unknown as ResultsOf<Branch>;
}
