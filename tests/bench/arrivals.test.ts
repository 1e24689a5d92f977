import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { Arrivals } from "./arrivals";

interface Begun {
  readonly atMs: number;
  readonly dueAtMs: number;
}

describe("arrivals", () => {
  let startedAtMs: number;
  let begun: Begun[];

  beforeEach(() => {
    jest.useFakeTimers();
    startedAtMs = performance.now();
    begun = [];
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  function arrive(perSecond: number, total: number): Arrivals {
    const arrivals = new Arrivals({ perSecond, total }, (dueAtMs) => {
      begun.push({ atMs: performance.now() - startedAtMs, dueAtMs: dueAtMs - startedAtMs });
    });
    arrivals.start();
    return arrivals;
  }

  it.each([10, 80, 100, 300, 5000])("%d a second begin when they are due, or within 1 ms before", (rate) => {
    arrive(rate, rate);
    jest.advanceTimersByTime(1000);
    expect(begun).toHaveLength(rate);
    for (const [number, { atMs, dueAtMs }] of begun.entries()) {
      const evenMs = (number / rate) * 1000;
      expect(atMs).toBeLessThanOrEqual(evenMs);
      expect(atMs).toBeGreaterThanOrEqual(evenMs - 1);
      expect(dueAtMs).toBe(atMs);
    }
  });

  it("nothing begins after a stop", () => {
    const arrivals = arrive(100, Number.POSITIVE_INFINITY);
    jest.advanceTimersByTime(95);
    expect(begun).toHaveLength(10);
    arrivals.stop();
    jest.advanceTimersByTime(1000);
    expect(begun).toHaveLength(10);
  });
});
