/** Waiting in the time that it is told. */
export class Timer {
  private readonly waiting = new Set<{ readonly atMs: number; readonly run: () => void }>();
  private hasEnded = false;

  constructor(private presentMs: number) {}

  get nowMs(): number {
    return this.presentMs;
  }

  /** Whether it was closed: then nothing takes time any more. */
  get isClosed(): boolean {
    return this.hasEnded;
  }

  tick(nowMs: number): void {
    this.presentMs = Math.max(this.presentMs, nowMs);
    const due = [...this.waiting].filter(({ atMs }) => atMs <= this.presentMs);
    for (const waiter of due) {
      this.waiting.delete(waiter);
      waiter.run();
    }
  }

  /** Resolves at the first tick after so long, or when it is closed. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.at(this.presentMs + ms, resolve);
    });
  }

  /** What is asked for, or null where that fails or takes longer. */
  async within<T>(ms: number, ask: () => Promise<T>): Promise<T | null> {
    return new Promise((resolve) => {
      const cancel = this.at(this.presentMs + ms, () => resolve(null));
      const settle = (answer: T | null): void => {
        // Else the answer, which may be large, stayed in memory until then.
        cancel();
        resolve(answer);
      };
      ask().then(settle, () => settle(null));
    });
  }

  /** Nothing waits any longer. */
  close(): void {
    this.hasEnded = true;
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const { run } of waiting) run();
  }

  /** Returns what takes it back. */
  private at(atMs: number, run: () => void): () => void {
    const waiter = { atMs, run };
    if (this.hasEnded) run();
    else this.waiting.add(waiter);
    return () => this.waiting.delete(waiter);
  }
}
