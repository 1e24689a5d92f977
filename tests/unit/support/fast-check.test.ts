import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import type * as FastCheck from "fast-check";

const VARIABLE = "QUORATE_PROPERTY_SEED";

/** As a test finds it in a run with that in its environment. */
function fastCheckOf(seed: string | null): typeof FastCheck {
  if (seed === null) delete process.env[VARIABLE];
  else process.env[VARIABLE] = seed;
  let found: typeof FastCheck | null = null;
  jest.isolateModules(() => {
    found = require("fast-check");
  });
  return found as unknown as typeof FastCheck;
}

function drawn(fc: typeof FastCheck): readonly number[] {
  const all: number[] = [];
  fc.assert(
    fc.property(fc.nat(), (number) => {
      all.push(number);
    }),
    { numRuns: 20 },
  );
  return all;
}

describe("what properties draw", () => {
  let before: string | undefined;

  beforeEach(() => {
    before = process.env[VARIABLE];
  });

  afterEach(() => {
    if (before === undefined) delete process.env[VARIABLE];
    else process.env[VARIABLE] = before;
  });

  test("is the same in each run", () => {
    expect(drawn(fastCheckOf(null))).toHaveLength(20);
    expect(drawn(fastCheckOf(null))).toEqual(drawn(fastCheckOf(null)));
  });

  test("is by the seed of the environment where that has one, and more of it", () => {
    expect(drawn(fastCheckOf("7"))).toHaveLength(60);
    expect(drawn(fastCheckOf("7"))).toEqual(drawn(fastCheckOf("7")));
    expect(drawn(fastCheckOf("7"))).not.toEqual(drawn(fastCheckOf("8")));
  });

  test("a failure under a fresh seed says how it is repeated", () => {
    const fc = fastCheckOf("7");
    const property = fc.property(fc.nat(), (number) => number < 1_000);
    expect(() => fc.assert(property)).toThrow(/QUORATE_PROPERTY_SEED=7 npm test.*Counterexample: \[1000\]/s);
  });

  test("a seed that is no number ends the run", () => {
    expect(() => fastCheckOf("seven")).toThrow("seven");
  });

  test("a property has no seed of its own", () => {
    const fc = fastCheckOf(null);
    const property = fc.property(fc.nat(), () => true);
    expect(() => fc.assert(property, { seed: 1 })).toThrow("no seed of its own");
    expect(() => fc.sample(fc.nat(), { seed: 1 })).toThrow("no seed of its own");
  });
});
