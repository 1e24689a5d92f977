import type { Clock, Scheduler } from "#replica";

/** Shares the time with everything else: so much at a time, then a turn of the event loop for the others. */
export class Pace {
  /**
   * Time that was taken, but for the turns that others were given. Waiting for a read counts, since what the store itself does
   * for it cannot be told from what the disk does: so it is more than was taken where there is much else to do.
   */
  busyMs = 0;
  private done = 0;
  private sinceMs: number;

  constructor(
    private readonly clock: Pick<Clock, "monotonicMs">,
    private readonly scheduler: Pick<Scheduler, "afterThisTurn">,
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
    this.end();
    this.done = 0;
    await new Promise<void>((resolve) => this.scheduler.afterThisTurn(resolve));
    this.sinceMs = this.clock.monotonicMs();
  }

  /** The work is done, or rests. */
  end(): void {
    this.busyMs += this.clock.monotonicMs() - this.sinceMs;
  }
}
