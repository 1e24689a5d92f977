/** Up to which record all are done, when they are finished in any order: what a resumed import may leave out. */
export class Watermark {
  #done: number;
  readonly #ahead = new Set<number>();

  /** @param done how many records from the first on are done already */
  constructor(done: number) {
    this.#done = done;
  }

  /** How many records from the first on are done, with no gap. */
  get done(): number {
    return this.#done;
  }

  /** Record number `at` (from 0) is done. */
  finish(at: number): void {
    this.#ahead.add(at);
    while (this.#ahead.delete(this.#done)) this.#done += 1;
  }
}
