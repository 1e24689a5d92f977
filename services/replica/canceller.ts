import type { Cancellation } from "./outcome";

/** What an AbortController is elsewhere, for folders that have none. */
export class Canceller implements Cancellation {
  private readonly listeners = new Set<() => void>();
  private isAborted = false;

  get aborted(): boolean {
    return this.isAborted;
  }

  addEventListener(_: "abort", run: () => void): void {
    this.listeners.add(run);
  }

  removeEventListener(_: "abort", run: () => void): void {
    this.listeners.delete(run);
  }

  abort(): void {
    if (this.isAborted) return;
    this.isAborted = true;
    for (const run of [...this.listeners]) run();
    this.listeners.clear();
  }
}
