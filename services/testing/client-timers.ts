import { setImmediate } from "node:timers";
import type { ClusterTime } from "./cluster-time";

/** The timers of clients: on the cluster's clock, and at once when that has ended, so that no call waits for ever. */
export class ClientTimers {
  private readonly pending = new Set<() => void>();
  private hasEnded = false;

  constructor(private readonly time: ClusterTime) {}

  schedule(delayMs: number, task: () => void): () => void {
    const run = (): void => {
      if (this.pending.delete(run)) task();
    };
    this.pending.add(run);
    if (this.hasEnded) {
      setImmediate(run);
      return () => this.pending.delete(run);
    }
    const cancel = this.time.after(delayMs, run);
    return () => {
      this.pending.delete(run);
      cancel();
    };
  }

  end(): void {
    this.hasEnded = true;
    for (const run of this.pending) setImmediate(run);
  }
}
