/** Timers keep whole milliseconds, so what is due within one begins now rather than late. */
const EARLY_MS_MAX = 1;

/**
 * Begins something at an even pace, whatever becomes of what was begun earlier. What begins late was due when it was due,
 * so that a stall shows in all that it held up; what begins early is due when it begins.
 */
export class Arrivals {
  readonly #perSecond: number;
  readonly #total: number;
  readonly #begin: (dueAtMs: number) => void;
  #startedAtMs = 0;
  #begun = 0;
  #timer: NodeJS.Timeout | null = null;

  /**
   * @param total how many there are to be; Infinity for no end
   * @param begin gets the moment of performance.now() from which a latency is to be counted; must not throw
   */
  constructor(
    { perSecond, total }: { readonly perSecond: number; readonly total: number },
    begin: (dueAtMs: number) => void,
  ) {
    this.#perSecond = perSecond;
    this.#total = total;
    this.#begin = begin;
  }

  /** The first one is due now. */
  start(): void {
    this.#startedAtMs = performance.now();
    this.#beginDue();
  }

  /** Nothing begins any more. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #beginDue(): void {
    const untilMs = performance.now() + EARLY_MS_MAX;
    for (; this.#begun < this.#total && this.#dueAtMs <= untilMs; this.#begun += 1)
      this.#begin(Math.min(this.#dueAtMs, performance.now()));
    if (this.#begun >= this.#total) return;
    // To the next one, not at intervals: those drift from what is due, which would show as latency.
    this.#timer = setTimeout(() => this.#beginDue(), this.#dueAtMs - performance.now());
  }

  /** When the next one is due. */
  get #dueAtMs(): number {
    return this.#startedAtMs + (this.#begun / this.#perSecond) * 1000;
  }
}
