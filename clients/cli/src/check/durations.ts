/** Mean, deviation and maximum of numbers that are not kept (Welford 1962). */
export class Durations {
  #count = 0;
  #mean = 0;
  #squares = 0;
  #max = 0;

  add(seconds: number): void {
    this.#count += 1;
    const apart = seconds - this.#mean;
    this.#mean += apart / this.#count;
    this.#squares += apart * (seconds - this.#mean);
    if (seconds > this.#max) this.#max = seconds;
  }

  get count(): number {
    return this.#count;
  }

  /** 0 for none. */
  get maxSeconds(): number {
    return this.#max;
  }

  /** Of all that was added, not of a sample; 0 for none. */
  get deviationSeconds(): number {
    return this.#count === 0 ? 0 : Math.sqrt(this.#squares / this.#count);
  }
}
