import { describe, expect, it } from "@jest/globals";
import { TimeKeeper } from "../../../services/replica/time-keeper";

describe("replicated time", () => {
  it("starts a term with 0 and then advances by what passed, never more", () => {
    const time = new TimeKeeper();
    expect(time.due(50_000.4, 1_000)).toBe(0);
    time.ticked(50_000.4, 0);
    expect(time.due(50_999, 1_000)).toBeNull();
    expect(time.due(51_000.9, 1_000)).toBe(1_000);
    time.ticked(51_000.9, 1_000);
    // The half millisecond that was not counted is not lost: it counts for the next Tick.
    expect(time.due(52_000.3, 1_000)).toBeNull();
    expect(time.due(52_000.4, 1_000)).toBe(1_000);
  });

  it("counts on from the last Tick that was proposed when one could not be", () => {
    const time = new TimeKeeper();
    time.ticked(0, 0);
    expect(time.due(1_500, 1_000)).toBe(1_500);
    expect(time.due(2_500, 1_000)).toBe(2_500);
  });

  it("does not count what passed before the term", () => {
    const time = new TimeKeeper();
    time.ticked(0, 0);
    time.reset();
    expect(time.due(90_000, 1_000)).toBe(0);
  });

  it("sums up to no more than the real time, over many uneven Ticks", () => {
    const time = new TimeKeeper();
    let replicatedMs = 0;
    let nowMs = 1_000_000.123;
    time.ticked(nowMs, 0);
    for (let step = 0; step < 500; step += 1) {
      nowMs += 37.77 + (step % 7) * 13.31;
      const elapsedMs = time.due(nowMs, 100);
      if (elapsedMs === null) continue;
      replicatedMs += elapsedMs;
      time.ticked(nowMs, elapsedMs);
      expect(replicatedMs).toBeLessThanOrEqual(nowMs - 1_000_000.123);
    }
    expect(replicatedMs).toBeGreaterThan(nowMs - 1_000_000.123 - 200);
  });
});
