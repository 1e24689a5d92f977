import { performance } from "node:perf_hooks";
// Not the globals: a test that replaces those with fake ones still has a cluster that lives.
import { clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } from "node:timers";
import type { ClusterTime } from "./cluster-time";
import { TestClusterError } from "./test-cluster-error";

const LOOK_MS = 5;

/** The process's own clock and timers. */
export class RealTime implements ClusterTime {
  readonly kind = "real";
  private readonly timers = new Set<NodeJS.Timeout>();
  private isClosed = false;

  /** @param keepsProcess whether what repeats keeps the process from ending by itself */
  constructor(private readonly keepsProcess: boolean) {}

  nowMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  after(delayMs: number, run: () => void): () => void {
    let isDue = true;
    const once = (): void => {
      if (!isDue || this.isClosed) return;
      isDue = false;
      run();
    };
    if (delayMs <= 0) {
      setImmediate(once);
      return () => {
        isDue = false;
      };
    }
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      once();
    }, delayMs);
    this.timers.add(timer);
    return () => {
      this.timers.delete(timer);
      clearTimeout(timer);
    };
  }

  every(periodMs: number, run: () => void): () => void {
    const timer = setInterval(run, periodMs);
    if (!this.keepsProcess) timer.unref();
    this.timers.add(timer);
    return () => {
      this.timers.delete(timer);
      clearInterval(timer);
    };
  }

  advance(): Promise<void> {
    return Promise.reject(
      new TestClusterError('the cluster runs on real time: start it with { clock: "virtual" } to advance it'),
    );
  }

  async until<T>(
    look: () => T | null,
    { deadlineMs, late }: { readonly deadlineMs: number; late(): string },
  ): Promise<T> {
    const startMs = this.nowMs();
    for (;;) {
      const seen = look();
      if (seen !== null) return seen;
      if (this.isClosed) throw new TestClusterError("the cluster was closed meanwhile");
      if (this.nowMs() - startMs >= deadlineMs) throw new TestClusterError(late());
      await new Promise<void>((resolve) => {
        setTimeout(resolve, LOOK_MS);
      });
    }
  }

  close(): void {
    this.isClosed = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }
}
