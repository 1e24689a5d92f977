import type { Timing } from "@quorate/client";

interface Alarm {
  readonly atMs: number;
  readonly task: () => void;
}

/** What takes longer than this does not end. */
const DRIVE_MS_MAX = 3_600_000;

/** A clock that jumps to the next alarm whenever nothing else is left to do. */
export class VirtualTiming implements Timing {
  #nowMs = 0;
  #alarms: Alarm[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, task: () => void): () => void {
    const alarm = { atMs: this.#nowMs + delayMs, task };
    this.#alarms.push(alarm);
    return () => {
      this.#alarms = this.#alarms.filter((kept) => kept !== alarm);
    };
  }

  random(): number {
    return 0.5;
  }

  /** Time that passes while nothing can run: a standstill of the process. */
  skip(ms: number): void {
    this.#nowMs += ms;
  }

  /** Lets time pass until the promise settles. */
  async drive<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const settle = () => {
      settled = true;
    };
    promise.then(settle, settle);
    const endMs = this.#nowMs + DRIVE_MS_MAX;
    for (let idle = 0; !settled; ) {
      if (this.#nowMs > endMs) throw new Error("the promise did not settle within an hour");
      // Everything that needs no time comes first.
      await new Promise((resolve) => setImmediate(resolve));
      if (settled) break;
      idle = this.#ring() ? 0 : idle + 1;
      if (idle > 1000) throw new Error("nothing is left that could settle the promise");
    }
    return promise;
  }

  /** Whether there was an alarm. */
  #ring(): boolean {
    const next = this.#alarms.toSorted((left, right) => left.atMs - right.atMs)[0];
    if (next === undefined) return false;
    this.#alarms = this.#alarms.filter((kept) => kept !== next);
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.task();
    return true;
  }
}
