import { describe, expect, it } from "@jest/globals";
import { type KeyRange, RemovedRows } from "@quorate/services/storage";

function range(gte: number, lt: number): KeyRange {
  return { gte: Uint8Array.of(1, gte), lt: Uint8Array.of(1, lt) };
}

const WHOLE: KeyRange = { gte: Uint8Array.of(1), lt: Uint8Array.of(2) };

describe("what was removed, of which the space is to be returned", () => {
  it("what goes on where something ended is one range with it, whatever was removed between", () => {
    const rows = new RemovedRows(WHOLE);
    rows.add(range(10, 20), 5);
    rows.add(range(50, 60), 7);
    rows.add(range(20, 30), 11);
    rows.add(range(60, 70), 13);
    expect(rows.bytes).toBe(36);
    expect(rows.takeRanges()).toEqual([range(10, 30), range(50, 70)]);
  });

  it("a range in which more is removed is told once, as long as it was at its longest", () => {
    const rows = new RemovedRows(WHOLE);
    rows.add(range(10, 20), 1);
    rows.add(range(10, 40), 1);
    rows.add(range(10, 20), 1);
    expect(rows.takeRanges()).toEqual([range(10, 40)]);
  });

  it("begins anew when it was taken", () => {
    const rows = new RemovedRows(WHOLE);
    rows.add(range(10, 20), 5);
    rows.takeRanges();
    expect(rows.bytes).toBe(0);
    expect(rows.takeRanges()).toEqual([]);
  });

  it("is all of its kinds where it would be too many ranges, and says no less than was removed", () => {
    const rows = new RemovedRows(WHOLE);
    for (let at = 0; at < 100; at += 1) rows.add(range(2 * at, 2 * at + 1), 1);
    const ranges = rows.takeRanges();
    expect(rows.bytes).toBe(0);
    expect(ranges).toEqual([WHOLE]);
  });
});
