import { setImmediate } from "node:timers";
import type { ClusterTime } from "./cluster-time";
import { TestClusterError } from "./test-cluster-error";

/** Some point of time that looks like one in logs and stamps. */
const WALL_START_MS = Date.UTC(2030, 0, 1);

/** How far time goes between two looks at a condition. */
const STEP_MS = 5;

interface Due {
  readonly atMs: number;
  /** Of two that are due at once the one that was asked for first comes first. */
  readonly number: number;
  readonly run: () => void;
}

/**
 * Time that stands still until it is advanced. What takes no time (a turn of the event loop, an undelayed message) goes
 * on by itself meanwhile: a write to a healthy cluster needs no advance, an election does.
 */
export class VirtualTime implements ClusterTime {
  readonly kind = "virtual";
  private timeMs = 0;
  private asked = 0;
  private timers: Due[] = [];
  private immediates = 0;
  private isClosed = false;
  private advancing: Promise<void> = Promise.resolve();

  nowMs(): number {
    return this.timeMs;
  }

  wallMs(): number {
    return WALL_START_MS + Math.floor(this.timeMs);
  }

  after(delayMs: number, run: () => void): () => void {
    if (delayMs <= 0) return this.immediately(run);
    this.asked += 1;
    const due = { atMs: this.timeMs + delayMs, number: this.asked, run };
    // From the back, since most of what is asked for is later than all else.
    let at = this.timers.length;
    while (at > 0 && (this.timers[at - 1] as Due).atMs > due.atMs) at -= 1;
    this.timers.splice(at, 0, due);
    return () => {
      this.timers = this.timers.filter((other) => other !== due);
    };
  }

  every(periodMs: number, run: () => void): () => void {
    let cancel = (): void => {};
    const plan = (): void => {
      cancel = this.after(periodMs, () => {
        plan();
        run();
      });
    };
    plan();
    return () => cancel();
  }

  advance(ms: number): Promise<void> {
    if (!(Number.isFinite(ms) && ms >= 0)) {
      return Promise.reject(
        new TestClusterError(`time is advanced by a number of milliseconds of at least 0, not by ${ms}`),
      );
    }
    // One after the other, so that two who advance at once get the sum.
    this.advancing = this.advancing.then(() => this.goOn(ms));
    return this.advancing;
  }

  async until<T>(
    look: () => T | null,
    { deadlineMs, late }: { readonly deadlineMs: number; late(): string },
  ): Promise<T> {
    const startMs = this.timeMs;
    for (;;) {
      await this.settle();
      const seen = look();
      if (seen !== null) return seen;
      if (this.isClosed) throw new TestClusterError("the cluster was closed meanwhile");
      if (this.timeMs - startMs >= deadlineMs) throw new TestClusterError(late());
      await this.advance(STEP_MS);
    }
  }

  close(): void {
    this.isClosed = true;
    this.timers = [];
  }

  private immediately(run: () => void): () => void {
    let isDue = true;
    this.immediates += 1;
    setImmediate(() => {
      this.immediates -= 1;
      if (isDue && !this.isClosed) run();
    });
    return () => {
      isDue = false;
    };
  }

  private async goOn(ms: number): Promise<void> {
    const untilMs = this.timeMs + ms;
    await this.settle();
    for (let due = this.timers[0]; due !== undefined && due.atMs <= untilMs; due = this.timers[0]) {
      this.timers.shift();
      this.timeMs = due.atMs;
      due.run();
      await this.settle();
    }
    this.timeMs = untilMs;
  }

  /** A turn of the event loop ends only when no promise has anything left to do, so two quiet turns mean rest. */
  private async settle(): Promise<void> {
    for (let quiet = 0; quiet < 2 && !this.isClosed; quiet += 1) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      if (this.immediates > 0) quiet = -1;
    }
  }
}
