import { Arrivals } from "./arrivals";
import { quantileOf, Samples } from "./statistics";

/** What ended in one window of a steady load. */
export interface LoadWindow {
  readonly operations: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/**
 * Begins operations at an even pace, whatever becomes of the earlier ones, until it is stopped. A latency counts from the
 * moment at which the operation was due, so that a stall shows in all that it held up.
 */
export class SteadyLoad {
  readonly #operation: () => Promise<unknown>;
  readonly #arrivals: Arrivals;
  readonly #open = new Set<Promise<void>>();
  #samples = new Samples();
  #failed = 0;
  #failure: unknown = null;

  constructor(operation: () => Promise<unknown>, perSecond: number) {
    this.#operation = operation;
    this.#arrivals = new Arrivals({ perSecond, total: Number.POSITIVE_INFINITY }, (dueAtMs) =>
      this.#begin(dueAtMs),
    );
    this.#arrivals.start();
  }

  /** What was thrown first; null for nothing. */
  get failure(): unknown {
    return this.#failure;
  }

  /** What has ended since the load began, or since the last call. */
  window(): LoadWindow {
    const sorted = this.#samples.sorted();
    const failed = this.#failed;
    this.#samples = new Samples();
    this.#failed = 0;
    return {
      operations: sorted.length,
      failed,
      p50Ms: quantileOf(sorted, 0.5),
      p99Ms: quantileOf(sorted, 0.99),
      maxMs: sorted.at(-1) ?? Number.NaN,
    };
  }

  /** Begins nothing more; resolves when all has ended. */
  async stop(): Promise<void> {
    this.#arrivals.stop();
    await Promise.all(this.#open);
  }

  #begin(dueAtMs: number): void {
    const work = this.#operation()
      .then(
        () => this.#samples.add(performance.now() - dueAtMs),
        (failure: unknown) => {
          this.#failed += 1;
          this.#failure ??= failure;
        },
      )
      .finally(() => this.#open.delete(work));
    this.#open.add(work);
  }
}
