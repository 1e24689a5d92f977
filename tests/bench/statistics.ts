/** The value below which the share `quantile` (0 to 1) of the sorted samples lies, by the nearest rank. */
export function quantileOf(sorted: Float64Array, quantile: number): number {
  if (sorted.length === 0) return Number.NaN;
  const rank = Math.ceil(quantile * sorted.length);
  return sorted[Math.min(sorted.length, Math.max(1, rank)) - 1] as number;
}

/** What several rounds gave: the middle one, and how far apart they lie. */
export interface Spread {
  readonly median: number;
  /** A quarter of the values, rounded up, is at most this: the second smallest of five. */
  readonly lowerQuartile: number;
  readonly min: number;
  readonly max: number;
}

/** Of at least one value; an even number of values has the mean of the middle two as its median. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
  return {
    median,
    lowerQuartile: quantileOf(Float64Array.from(sorted), 0.25),
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
  };
}

/** Collects numbers without a bound that must be known beforehand. */
export class Samples {
  #values = new Float64Array(65_536);
  #count = 0;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const longer = new Float64Array(this.#values.length * 2);
      longer.set(this.#values);
      this.#values = longer;
    }
    this.#values[this.#count++] = value;
  }

  get count(): number {
    return this.#count;
  }

  /** A sorted copy. */
  sorted(): Float64Array {
    return this.#values.slice(0, this.#count).sort();
  }
}
