import { describe, expect, it } from "@jest/globals";
import { closedLoop } from "./closed-loop";
import { openLoop } from "./open-loop";
import { BadOption, benchOptions } from "./options";
import { usageOf } from "./process-usage";
import { quantileOf, Samples, spreadOf } from "./statistics";
import { keyAt, OPERATIONS } from "./workload";

describe("statistics", () => {
  it.each([
    [0, 1],
    [0.5, 50],
    [0.95, 95],
    [0.99, 99],
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
    [[3], { median: 3, min: 3, max: 3 }],
    [[9, 1, 5], { median: 5, min: 1, max: 9 }],
    [[4, 1, 2, 9], { median: 3, min: 1, max: 9 }],
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
});

describe("a closed loop", () => {
  it("keeps as many operations open as it is told, and counts failures apart", async () => {
    let open = 0;
    let openMax = 0;
    let begun = 0;
    const operation = async () => {
      begun += 1;
      const number = begun;
      open += 1;
      openMax = Math.max(openMax, open);
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      if (number % 5 === 0) throw new Error("every fifth");
    };
    const result = await closedLoop(operation, { inFlight: 8, seconds: 0.2 });
    expect(openMax).toBe(8);
    expect(open).toBe(0);
    expect(result.operations + result.failed).toBe(begun);
    expect(result.failed).toBeGreaterThan(0);
    expect(result.p50Ms).toBeLessThanOrEqual(result.p99Ms);
  });

  it("throws what went wrong when nothing succeeded", async () => {
    const failing = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error("nobody is there");
    };
    await expect(closedLoop(failing, { inFlight: 1, seconds: 0.2 })).rejects.toThrow("nobody is there");
  });
});

describe("an open loop", () => {
  it("begins what is due though nothing has ended, and counts from when it was due", async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let begun = 0;
    const operation = async () => {
      begun += 1;
      const number = begun;
      if (number === 50) release();
      await held;
      if (number % 2 === 0 && number > 50) throw new Error("some of the later ones");
    };
    const result = await openLoop(operation, { perSecond: 500, seconds: 0.2 });
    expect(begun).toBe(100);
    expect(result.operations + result.failed).toBe(100);
    expect(result.failed).toBe(25);
    // The first one waits for the fiftieth, which is due after 98 ms.
    expect(result.maxMs).toBeGreaterThan(90);
  });
});

describe("options", () => {
  it("has the shape that the targets are stated for by default", () => {
    expect(benchOptions([])).toMatchObject({
      cells: ["put", "get"],
      inFlight: [1, 16, 64, 256],
      keys: 20_000,
      valueBytes: 256,
      footprintKeys: 100_000,
      via: "leader",
      json: false,
    });
    expect(benchOptions(["--cell", "all"])).toMatchObject({ cells: [...OPERATIONS, "footprint"] });
  });

  it.each([
    [["--cell", "puts"], "--cell"],
    [["--in-flight", "0"], "--in-flight"],
    [["--rounds", "two"], "--rounds"],
    [["--via", "proxy"], "--via"],
    [["--sceonds", "5"], "--sceonds"],
  ])("refuses %j naming %s", (args, name) => {
    expect(() => benchOptions(args)).toThrow(BadOption);
    expect(() => benchOptions(args)).toThrow(name);
  });
});

it("keys have 16 bytes and their order is that of their numbers", () => {
  expect(Buffer.byteLength(keyAt(0))).toBe(16);
  expect(Buffer.byteLength(keyAt(99_999))).toBe(16);
  expect(keyAt(9) < keyAt(10)).toBe(true);
});

it("the usage of a process is read from what the system says of it", () => {
  const { cpuMicros, rssBytes } = usageOf(process.pid);
  expect(cpuMicros).toBeGreaterThan(0);
  expect(Math.abs(rssBytes - process.memoryUsage.rss())).toBeLessThan(20 * 1024 * 1024);
});
