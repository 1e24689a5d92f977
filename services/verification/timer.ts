/** Waiting in the time that it is told. */
export class Timer {
  private waiting: { readonly atMs: number; readonly run: () => void }[] = [];
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
    const due = this.waiting.filter(({ atMs }) => atMs <= this.presentMs);
    if (due.length === 0) return;
    this.waiting = this.waiting.filter(({ atMs }) => atMs > this.presentMs);
    for (const { run } of due) run();
  }

  /** Resolves at the first tick after so long, or when it is closed. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(this.presentMs + ms, resolve));
  }

  /** What is asked for, or null where that fails or takes longer. */
  async within<T>(ms: number, ask: () => Promise<T>): Promise<T | null> {
    return new Promise((resolve) => {
      this.at(this.presentMs + ms, () => resolve(null));
      ask().then(resolve, () => resolve(null));
    });
  }

  /** Nothing waits any longer. */
  close(): void {
    this.hasEnded = true;
    const { waiting } = this;
    this.waiting = [];
    for (const { run } of waiting) run();
  }

  private at(atMs: number, run: () => void): void {
    if (this.hasEnded) run();
    else this.waiting.push({ atMs, run });
  }
}
