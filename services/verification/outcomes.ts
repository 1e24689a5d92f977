import type { VerifyOutcome } from "./ports";

/** Outcomes that are kept for those who ask late. */
const KEPT_MAX = 8;

/** What became of rounds, by the index of their entries: whoever proposed one may ask before or after it is known. */
export class Outcomes {
  private readonly known = new Map<number, VerifyOutcome>();
  private readonly waiting = new Map<number, (outcome: VerifyOutcome) => void>();
  private closed: VerifyOutcome | null = null;

  settle(index: number, outcome: VerifyOutcome): void {
    this.known.set(index, outcome);
    for (const oldest of [...this.known.keys()].slice(0, -KEPT_MAX)) this.known.delete(oldest);
    this.waiting.get(index)?.(outcome);
    this.waiting.delete(index);
  }

  /** At most one asks for each. */
  wait(index: number): Promise<VerifyOutcome> {
    const known = this.known.get(index) ?? this.closed;
    if (known !== null && known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => this.waiting.set(index, resolve));
  }

  isKnown(index: number): boolean {
    return this.known.has(index);
  }

  /** All that are waited for get this, since their rounds will never be done. */
  settleAll(outcome: VerifyOutcome): void {
    for (const index of [...this.waiting.keys()]) this.settle(index, outcome);
  }

  close(outcome: VerifyOutcome): void {
    this.closed = outcome;
    this.settleAll(outcome);
  }
}
