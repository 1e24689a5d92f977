import type { EndpointPool } from "#client/endpoint-pool";
import { QuorateError } from "#client/errors";
import { Repetition } from "#client/repetition";
import type { SeenRevisions } from "#client/seen-revisions";
import type { Timing } from "#client/timing";
import { type PendingRenewal, type Renewal, RenewalStream } from "./renewal-stream";

/** How long opening streams may go on failing: those who wait for a renewal give up long before. */
const UNBOUNDED_MS = 2 ** 31 - 1;

/** What all leases of a client share: one stream that renews them, opened anew wherever there is a leader. */
export class LeaseKeeper {
  readonly #pool: EndpointPool;
  readonly #timing: Timing;
  readonly #seen: SeenRevisions;
  /** For each lease, what it does when the client is closed. */
  readonly #leases = new Set<() => void>();
  readonly #queue: PendingRenewal[] = [];
  readonly #closed = new AbortController();
  #stream: RenewalStream | null = null;
  #isRunning = false;

  constructor(pool: EndpointPool, timing: Timing, seen: SeenRevisions) {
    this.#pool = pool;
    this.#timing = timing;
    this.#seen = seen;
  }

  /**
   * Takes a lease in; the stream stays open while there is one.
   *
   * @param onClose called when the client is closed
   * @returns how to let it go
   */
  add(onClose: () => void): () => void {
    this.#leases.add(onClose);
    // Granted while the client was being closed: nobody else would let it go.
    if (this.#closed.signal.aborted) queueMicrotask(onClose);
    return () => {
      this.#leases.delete(onClose);
      this.#dismissIdle();
    };
  }

  /**
   * Renews a lease: asks again, elsewhere if need be, until there is an answer.
   *
   * @param answerMs how long one server may take
   * @throws QuorateError CANCELLED when the signal is aborted, or what the server refuses for good
   */
  renew(namespace: string, leaseId: bigint, answerMs: number, signal: AbortSignal): Promise<Renewal> {
    return new Promise((resolve, reject) => {
      let isOpen = true;
      const settle = (outcome: () => void): void => {
        isOpen = false;
        signal.removeEventListener("abort", giveUp);
        outcome();
      };
      const pending: PendingRenewal = {
        namespace,
        leaseId,
        answerMs,
        get isOpen() {
          return isOpen;
        },
        resolve: (renewal) => settle(() => resolve(renewal)),
        reject: (error) => settle(() => reject(error)),
      };
      // Where it was sent already, its answer is still awaited, for answers are told apart by their order.
      const giveUp = (): void => {
        const at = this.#queue.indexOf(pending);
        if (at >= 0) this.#queue.splice(at, 1);
        pending.reject(givenUp(signal));
      };
      if (signal.aborted) {
        reject(givenUp(signal));
        return;
      }
      signal.addEventListener("abort", giveUp);
      this.#queue.push(pending);
      this.#stream?.wake();
      void this.#run();
    });
  }

  /** Lets all leases go, since nothing can show any longer that they are alive. Safe twice. */
  close(): void {
    this.#closed.abort();
    for (const onClose of [...this.#leases]) onClose();
    this.#leases.clear();
    this.#stream?.dismiss();
  }

  /** Keeps a stream open while there is a use for one. Never rejects. */
  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const plan = { deadlineMs: UNBOUNDED_MS, signal: this.#closed.signal };
    const repetition = new Repetition(this.#pool, this.#timing, plan);
    try {
      while (this.#queue.length > 0) await this.#serve(repetition);
    } catch (thrown) {
      const error = QuorateError.from(thrown);
      for (const pending of this.#queue.splice(0)) pending.reject(error);
    } finally {
      this.#isRunning = false;
    }
  }

  /** @throws QuorateError when there is no point in another stream */
  async #serve(repetition: Repetition): Promise<void> {
    const { address, connection } = this.#pool.current();
    const stream = new RenewalStream(this.#queue, this.#timing, (namespace, revision) => {
      repetition.restart();
      this.#seen.note(namespace, revision);
      this.#dismissIdle();
    });
    this.#stream = stream;
    try {
      await stream.run(connection);
    } catch (thrown) {
      this.#queue.unshift(...stream.takeUnanswered());
      try {
        await repetition.afterFailure(QuorateError.from(thrown), address);
      } catch (refused) {
        // What is not worth repeating here may be well elsewhere, and the lease has little time.
        this.#pool.moveOnFrom(address);
        throw refused;
      }
    } finally {
      this.#stream = null;
    }
  }

  #dismissIdle(): void {
    if (this.#leases.size === 0 && this.#queue.length === 0 && this.#stream?.isIdle === true) {
      this.#stream.dismiss();
    }
  }
}

function givenUp(signal: AbortSignal): QuorateError {
  return new QuorateError("the renewal of the lease was given up", {
    code: "CANCELLED",
    reason: "CANCELLED",
    cause: signal.reason,
  });
}
