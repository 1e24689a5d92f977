import type { Clock, Scheduler } from "#replica";

/** Shares the time with everything else: so much at a time, then a turn of the event loop for the others. */
export class Pace {
  /** Time between turns that was taken. */
  busyMs = 0;
  private done = 0;
  private sinceMs: number;

  constructor(
    private readonly clock: Pick<Clock, "monotonicMs">,
    private readonly scheduler: Scheduler,
    private readonly unitsPerTurn: number,
  ) {
    this.sinceMs = clock.monotonicMs();
  }

  /** Notes so many units of work; true when it is time to `rest`. */
  spent(units: number): boolean {
    this.done += units;
    return this.done >= this.unitsPerTurn;
  }

  async rest(): Promise<void> {
    this.pause();
    this.done = 0;
    await new Promise<void>((resolve) => this.scheduler.afterThisTurn(resolve));
    this.resume();
  }

  /** Others do the work, as a disk does, until resume(). */
  pause(): void {
    this.busyMs += this.clock.monotonicMs() - this.sinceMs;
  }

  resume(): void {
    this.sinceMs = this.clock.monotonicMs();
  }
}
