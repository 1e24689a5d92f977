import type { Cancellation } from "./outcome";

type WaitFailure = "backlog_full" | "cancelled" | "store_lost" | "stopping";

/** Reads that wait until a revision is applied here. */
export class RevisionWaiters {
  private waiting: { readonly revision: number; readonly settle: (failure: WaitFailure | null) => void }[] =
    [];

  constructor(private readonly waitingMax: number) {}

  /** Reads that wait. */
  get size(): number {
    return this.waiting.length;
  }

  wait(revision: number, cancellation?: Cancellation): Promise<WaitFailure | null> {
    if (this.waiting.length >= this.waitingMax) return Promise.resolve("backlog_full");
    return new Promise((resolve) => {
      const waiter = {
        revision,
        settle: (failure: WaitFailure | null) => {
          cancellation?.removeEventListener("abort", onAbort);
          resolve(failure);
        },
      };
      const onAbort = (): void => {
        this.waiting = this.waiting.filter((other) => other !== waiter);
        resolve("cancelled");
      };
      cancellation?.addEventListener("abort", onAbort);
      this.waiting.push(waiter);
    });
  }

  reached(revision: number): void {
    if (this.waiting.length === 0) return;
    this.settleWhere((wanted) => wanted <= revision, null);
  }

  settleAll(failure: WaitFailure): void {
    this.settleWhere(() => true, failure);
  }

  private settleWhere(matches: (revision: number) => boolean, failure: WaitFailure | null): void {
    const before = this.waiting;
    this.waiting = before.filter((waiter) => !matches(waiter.revision));
    for (const waiter of before) if (matches(waiter.revision)) waiter.settle(failure);
  }
}
