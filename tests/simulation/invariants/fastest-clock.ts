/** A clock that no member's runs faster than, whichever of them counts, and for how long. */
export class FastestClock {
  private passedMs = 0;
  private shownMs: readonly number[];

  /** @param clocks the monotonic clock of each member, always in the same order */
  constructor(private readonly clocks: () => readonly number[]) {
    this.shownMs = clocks();
  }

  readMs(): number {
    const shownMs = this.clocks();
    this.passedMs += Math.max(...shownMs.map((now, at) => now - (this.shownMs[at] as number)));
    this.shownMs = shownMs;
    return this.passedMs;
  }
}
