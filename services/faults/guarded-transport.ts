import type { Message } from "#raft";
import type { Transport } from "#replica";
import { BoundedQueue } from "#std";
import type { FailPointName, FailPoints } from "./fail-points";

const QUEUED_SENDS_MAX = 100_000;

/** The transport between fail points. A send cannot wait, so what comes while one is paused is queued behind it. */
export function guardTransport(transport: Transport, failPoints: FailPoints): Transport {
  return new GuardedTransport(transport, failPoints);
}

class GuardedTransport implements Transport {
  private readonly queue = new BoundedQueue<readonly Message[]>(QUEUED_SENDS_MAX);
  private readonly crashesBefore: number;
  private isPaused = false;

  constructor(
    private readonly transport: Transport,
    private readonly failPoints: FailPoints,
  ) {
    this.crashesBefore = failPoints.crashes;
  }

  /** What exceeds the queue is dropped, as any transport may. */
  send(messages: readonly Message[]): void {
    this.queue.push(messages);
    this.drain();
  }

  private drain(): void {
    while (!this.isPaused) {
      const messages = this.queue.shift();
      if (messages === undefined) return;
      this.pass("transport.send.before", () => {
        this.transport.send(messages);
        this.pass("transport.send.after", () => undefined);
      });
    }
  }

  private pass(name: FailPointName, goOn: () => void): void {
    if (this.isProcessGone) return;
    const verdict = this.failPoints.hit(name);
    switch (verdict.kind) {
      case "go_on":
        goOn();
        return;
      case "error":
      case "crash":
        return;
      case "pause":
        this.isPaused = true;
        void verdict.released.then(() => {
          this.isPaused = false;
          if (this.isProcessGone) return;
          goOn();
          this.drain();
        });
    }
  }

  private get isProcessGone(): boolean {
    return this.failPoints.crashes > this.crashesBefore;
  }
}
