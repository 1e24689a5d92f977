import type { Chronicle } from "./chronicle";
import type { SimulatedSeat } from "./seat";
import type { EventTimeline } from "./timeline";

/** Lets one event after the other happen, each with all the promises that it moves. */
export class EventLoop {
  /** Seats that the present event has entered. */
  private touched: SimulatedSeat[] = [];

  constructor(
    private readonly timeline: EventTimeline,
    private readonly chronicle: Chronicle,
  ) {}

  /** The present event has come to a seat. */
  enters(seat: SimulatedSeat): void {
    if (!this.touched.includes(seat)) this.touched.push(seat);
  }

  /** Lets time pass until the condition holds, which is asked after each event; false when `untilUs` comes first. */
  run(until: () => boolean, untilUs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          const ended = this.stepUntilPromisesMove(until, untilUs);
          if (ended === null) setImmediate(step);
          else resolve(ended);
        } catch (error) {
          reject(error);
        }
      };
      setImmediate(step);
    });
  }

  private stepUntilPromisesMove(until: () => boolean, untilUs: number): boolean | null {
    for (;;) {
      this.endEvent();
      if (until()) return true;
      const event = this.timeline.next(untilUs);
      if (event === null) return false;
      this.chronicle.counts.events += 1;
      event.run();
      if (!event.isQuiet) return null;
    }
  }

  /** Whatever the event brought about has happened: promises, too. */
  private endEvent(): void {
    const { touched, chronicle } = this;
    if (touched.length > 0) {
      this.touched = [];
      for (const seat of touched) {
        if (seat.replica === null) continue;
        chronicle.tell((observer) => observer.stepped?.(seat));
      }
    }
    chronicle.throwFailure();
  }
}
