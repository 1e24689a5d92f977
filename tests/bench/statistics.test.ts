import { describe, expect, it } from "@jest/globals";
import { loopResult } from "./latencies";
import { quantileOf, Samples, spreadOf } from "./statistics";

describe("statistics", () => {
  it.each([
    [0, 1],
    [0.5, 50],
    [0.95, 95],
    [0.99, 99],
    [0.999, 100],
    [1, 100],
  ])("quantile %d of 1 to 100 is %d", (quantile, expected) => {
    expect(
      quantileOf(
        Float64Array.from({ length: 100 }, (_, at) => at + 1),
        quantile,
      ),
    ).toBe(expected);
  });

  it.each([
    [[3], { median: 3, lowerQuartile: 3, min: 3, max: 3 }],
    [[9, 1, 5], { median: 5, lowerQuartile: 1, min: 1, max: 9 }],
    [[4, 1, 2, 9], { median: 3, lowerQuartile: 1, min: 1, max: 9 }],
    [[50, 10, 40, 20, 30], { median: 30, lowerQuartile: 20, min: 10, max: 50 }],
  ])("the spread of %j", (values, expected) => {
    expect(spreadOf(values)).toEqual(expected);
  });

  it("keeps any number of samples, and sorts a copy", () => {
    const samples = new Samples();
    for (let value = 100_000; value > 0; value -= 1) samples.add(value);
    expect(samples.count).toBe(100_000);
    expect([...samples.sorted().subarray(0, 3)]).toEqual([1, 2, 3]);
    samples.add(0);
    expect(samples.sorted()[0]).toBe(0);
  });

  it("a loop is summed up by percentiles of what succeeded, and by its first failure", () => {
    const samples = new Samples();
    for (let value = 1; value <= 10_000; value += 1) samples.add(value);
    expect(loopResult(samples, { failed: 1, failure: new Error("once"), seconds: 2 })).toEqual({
      operations: 10_000,
      failed: 1,
      failure: "once",
      seconds: 2,
      p50Ms: 5000,
      p95Ms: 9500,
      p99Ms: 9900,
      p999Ms: 9990,
      maxMs: 10_000,
    });
  });
});
