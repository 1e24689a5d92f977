import type { SeedChoice } from "./options";

/** Hands out seeds, one after another, and says which it handed out. */
export class SeedSource {
  private readonly from: number;
  private next: number;

  /**
   * @param isTimeLeft asked before each seed, when they are to last for some time
   * @param fresh a random seed to begin with
   */
  constructor(
    private readonly choice: Exclude<SeedChoice, { readonly kind: "schedule" }>,
    private readonly isTimeLeft: () => boolean,
    fresh: () => number,
  ) {
    this.from = choice.kind === "range" ? choice.from : fresh();
    this.next = this.from;
  }

  take(): number | null {
    if (this.choice.kind === "range" ? this.next > this.choice.to : !this.isTimeLeft()) return null;
    this.next += 1;
    return this.next - 1;
  }

  /** Such as "1..100". */
  get text(): string {
    return this.next === this.from ? "none" : `${this.from}..${this.next - 1}`;
  }
}
