import type { Observer, Timeline } from "../world-contract";
import { noCounts } from "./counts";
import type { Trace } from "./trace";

/** What a world tells as it happens, to its trace, its counts and its observers; and what they find wrong. */
export class Chronicle {
  readonly counts = noCounts();
  private readonly observers: Observer[] = [];
  private failure: Error | null = null;

  constructor(
    private readonly trace: Trace,
    private readonly timeline: Timeline,
  ) {}

  /** A line of the trace. */
  note(line: string): void {
    this.trace.note(this.timeline.nowUs, line);
  }

  observe(observer: Observer): void {
    this.observers.push(observer);
  }

  /** Observers are called from within the code under test: what they throw must not pass through it. */
  tell(call: (observer: Observer) => void): void {
    for (const observer of this.observers) this.judge(() => call(observer));
  }

  /** Runs what may throw a Violation, which then ends the run after the present event. */
  judge(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** The first that is found wrong counts. */
  fail(error: Error): void {
    this.failure ??= error;
  }

  throwFailure(): void {
    if (this.failure !== null) throw this.failure;
  }
}
