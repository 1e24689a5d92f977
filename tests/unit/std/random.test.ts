import { describe, expect, test } from "@jest/globals";
import { seededRandom } from "@quorate/services/std";

function draws(seed: number, count: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random.nextUint32());
}

describe("the seeded generator", () => {
  test("gives the same numbers for the same seed, now and in later versions", () => {
    expect(draws(1, 3)).toEqual(GOLDEN);
    expect(draws(1, 100)).toEqual(draws(1, 100));
  });

  test("gives other numbers for a neighbouring seed", () => {
    const other = new Set(draws(2, 100));
    expect(draws(1, 100).filter((draw) => other.has(draw))).toEqual([]);
  });

  test("draws every number below a bound about equally often", () => {
    const random = seededRandom(3);
    const counts = new Array<number>(7).fill(0);
    for (let draw = 0; draw < 70_000; draw += 1) {
      const at = random.below(7);
      counts[at] = (counts[at] as number) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  test("keeps floats in [0, 1), around a half", () => {
    const random = seededRandom(4);
    const floats = Array.from({ length: 10_000 }, () => random.float());
    expect(Math.min(...floats)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...floats)).toBeLessThan(1);
    expect(floats.reduce((sum, float) => sum + float, 0) / floats.length).toBeCloseTo(0.5, 1);
  });

  test("forks into one of its own, that later draws do not depend on", () => {
    const [one, other] = [seededRandom(5), seededRandom(5)];
    const fork = one.fork();
    other.fork();
    const forked = fork.nextUint32();
    expect(forked).not.toBe(one.nextUint32());
    other.nextUint32();
    expect(one.nextUint32()).toBe(other.nextUint32());
  });

  test.each([[0], [1.5], [2 ** 32 + 1]])("refuses the bound %d", (bound) => {
    expect(() => seededRandom(1).below(bound)).toThrow("bound");
  });

  test("takes the largest bound", () => {
    expect(seededRandom(6).below(2 ** 32)).toBe(seededRandom(6).nextUint32());
  });
});

const GOLDEN = [393288148, 2174103013, 3814759091];
