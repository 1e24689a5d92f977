import { expect, test } from "@jest/globals";
import { PlaceIndex } from "@quorate/services/storage";
import * as fc from "fast-check";

const NEVER_GONE = { isGone: () => false, ageOf: (place: number) => 2 ** 32 - place };

/** Few hashes of one table that lie on one another, and some of others. */
const HASH = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: 0, max: 40 }).map((at) => 64 * at),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);

const STEP = fc.oneof(
  fc.record({
    kind: fc.constant("set" as const),
    hash: HASH,
    place: fc.integer({ min: 1, max: 0xffff_ffff }),
  }),
  fc.record({ kind: fc.constant("delete" as const), hash: HASH }),
);

test("a hash has the place that it was given last, whatever came and went", () => {
  void fc.assert(
    fc.property(fc.array(STEP, { maxLength: 600 }), (steps) => {
      const index = new PlaceIndex(NEVER_GONE);
      const model = new Map<number, number>();
      for (const step of steps) {
        if (step.kind === "set") {
          index.set(step.hash, step.place);
          model.set(step.hash, step.place);
        } else {
          index.delete(step.hash);
          model.delete(step.hash);
        }
        expect(index.get(step.hash)).toBe(model.get(step.hash) ?? 0);
      }
      for (const [hash, place] of model) expect(index.get(hash)).toBe(place);
    }),
  );
});

test("places that nothing is at any more make room for others, and those that something is at stay", () => {
  const index = new PlaceIndex({ ...NEVER_GONE, isGone: (place) => place < 90_000 });
  for (let place = 1; place <= 100_000; place += 1) index.set(Math.imul(place, 0x9e3779b1) >>> 0, place);
  const found = Array.from({ length: 100_000 }, (_, at) => index.get(Math.imul(at + 1, 0x9e3779b1) >>> 0));
  expect(found.slice(89_999)).toEqual(Array.from({ length: 10_001 }, (_, at) => at + 90_000));
  // Two tables of slots for each that stays, at most, and what was not full when the last one came.
  expect(found.filter((place) => place !== 0).length).toBeLessThan(40_000);
});

test("where there are too many the older ones go, and those that came last stay", () => {
  const index = new PlaceIndex(NEVER_GONE, 256);
  const hashOf = (place: number) => Math.imul(place, 0x9e3779b1) >>> 0;
  const notThereAtOnce: number[] = [];
  for (let place = 1; place <= 100_000; place += 1) {
    index.set(hashOf(place), place);
    if (index.get(hashOf(place)) !== place) notThereAtOnce.push(place);
  }
  expect(notThereAtOnce).toEqual([]);
  const found = Array.from({ length: 100_000 }, (_, at) => index.get(hashOf(at + 1)));
  expect(found.filter((place, at) => place !== 0 && place !== at + 1)).toEqual([]);
  // Of 64 tables with 256 slots three quarters are filled at most.
  const kept = found.filter((place) => place !== 0);
  expect(kept.length).toBeLessThanOrEqual(64 * 192);
  expect(kept.length).toBeGreaterThan(64 * 64);
  expect(found.slice(-1000)).toEqual(Array.from({ length: 1000 }, (_, at) => 99_001 + at));
});

test("nothing is found in one that was cleared", () => {
  const index = new PlaceIndex(NEVER_GONE);
  for (let place = 1; place <= 1000; place += 1) index.set(place, place);
  index.clear();
  expect([1, 500, 1000].map((hash) => index.get(hash))).toEqual([0, 0, 0]);
});
