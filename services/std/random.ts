import { assert } from "./assert";

/** A source of chance that is handed in, so that one seed replays a whole run. */
export interface Random {
  /** A whole number in [0, 2^32). */
  nextUint32(): number;
  /** A whole number in [0, bound), each equally likely; bound is a whole number in [1, 2^32]. */
  below(bound: number): number;
  /** A number in [0, 1) with 53 random bits. */
  float(): number;
  /** An independent generator whose seed is drawn from this one. */
  fork(): Random;
}

const UINT32_COUNT = 2 ** 32;

/**
 * xoshiro128** by Blackman and Vigna (prng.di.unimi.it): 128 bits of state, no multiplication beyond 32 bits,
 * period 2^128 - 1. Not for secrets.
 */
class Xoshiro128 implements Random {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  constructor(seed: readonly [number, number, number, number]) {
    [this.a, this.b, this.c, this.d] = seed;
    assert((this.a | this.b | this.c | this.d) !== 0, "the state of xoshiro128** is not all zero");
  }

  nextUint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.b, 5), 7), 9) >>> 0;
    const shifted = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= shifted;
    this.d = rotateLeft(this.d, 11);
    return result;
  }

  below(bound: number): number {
    assert(Number.isInteger(bound) && bound >= 1 && bound <= UINT32_COUNT, "the bound is in [1, 2^32]");
    // Draws above the last full multiple of the bound are thrown away: a plain remainder would favour small numbers.
    const limit = UINT32_COUNT - (UINT32_COUNT % bound);
    for (;;) {
      const draw = this.nextUint32();
      if (draw < limit) return draw % bound;
    }
  }

  float(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  fork(): Random {
    return seededRandom(this.nextUint32());
  }
}

/** A generator whose whole sequence follows from the seed, any whole number; its lowest 32 bits count. */
export function seededRandom(seed: number): Random {
  assert(Number.isSafeInteger(seed), "a seed is a whole number");
  // splitmix32 spreads a small seed over the whole state, so that neighbouring seeds share nothing visible.
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return mixed ^ (mixed >>> 15);
  };
  return new Xoshiro128([next(), next(), next(), next()]);
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
