import { assert, type Random } from "@quorate/services/std";

/** The skew that YCSB uses. */
const THETA = 0.99;

/**
 * Ranks that are drawn as often as Zipf's law has it: rank r with a probability in proportion to 1 / (r + 1)^0.99, by the
 * method of Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (SIGMOD 1994), as YCSB does. The number of
 * ranks may grow from draw to draw.
 */
export class Zipfian {
  readonly #random: Random;
  readonly #zeta2: number;
  #count = 0;
  #zeta = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#zeta2 = 1 + 0.5 ** THETA;
  }

  /** A rank from 0 (the most frequent) to `count` - 1. @param count no less than that of the draw before */
  next(count: number): number {
    assert(count >= this.#count && count > 0, "the number of ranks does not shrink");
    for (; this.#count < count; this.#count += 1) this.#zeta += 1 / (this.#count + 1) ** THETA;
    const share = this.#random.float();
    const scaled = share * this.#zeta;
    if (scaled < 1) return 0;
    if (scaled < this.#zeta2) return Math.min(1, count - 1);
    const eta = (1 - (2 / count) ** (1 - THETA)) / (1 - this.#zeta2 / this.#zeta);
    return Math.min(count - 1, Math.floor(count * (eta * share - eta + 1) ** (1 / (1 - THETA))));
  }
}

/** All whole numbers below `count` in an order drawn at random: by it, frequent ranks are spread over all keys. */
export function permutation(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, at) => at);
  for (let at = count - 1; at > 0; at -= 1) {
    const other = random.below(at + 1);
    const moved = order[at] as number;
    order[at] = order[other] as number;
    order[other] = moved;
  }
  return order;
}
