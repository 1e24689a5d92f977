import { describe, expect, it } from "@jest/globals";
import { BadOption } from "../options";
import { SteadyLoad } from "../steady-load";
import type { NodeSample, SoakSample } from "./figures";
import { flatnessOf } from "./flatness";
import { type SoakOptions, soakOptions } from "./options";
import { soakHtml } from "./picture";
import { isWell, judgementsOf, type SoakReport, soakText } from "./report";

const TOLERANCE = { share: 0.1, absolute: 5 };

function series(count: number, valueAt: (at: number) => number): number[] {
  return Array.from({ length: count }, (_, at) => valueAt(at));
}

/** Up and down within 20 of what it is given, the same each time. */
function noisy(at: number): number {
  return ((at * 7919) % 41) - 20;
}

describe("flatness", () => {
  it.each<[string, readonly number[], string]>([
    ["a constant", series(60, () => 100), "flat"],
    ["noise", series(60, (at) => 100 + noisy(at)), "flat"],
    ["a steady rise", series(60, (at) => 100 + at), "grows"],
    ["a rise under noise", series(60, (at) => 100 + at + noisy(at)), "grows"],
    ["a steady rise within the share", series(60, (at) => 1000 + at), "flat"],
    ["a steady rise within the absolute tolerance", series(60, (at) => 10 + at / 20), "flat"],
    ["a fall", series(60, (at) => 200 - at), "flat"],
    ["a saw", series(60, (at) => 100 + 10 * (at % 10)), "flat"],
    ["one outlier", series(60, (at) => (at === 50 ? 10_000 : 100)), "flat"],
    ["a rise by one step", series(60, (at) => (at < 30 ? 100 : 200)), "grows"],
    ["too few", series(11, (at) => 100 * at), "too_short"],
    ["none", [], "too_short"],
  ])("%s: %j is %s", (_, values, verdict) => {
    expect(flatnessOf(values, TOLERANCE).verdict).toBe(verdict);
  });

  it("tells by how much it rises", () => {
    expect(
      flatnessOf(
        series(21, (at) => 100 + 3 * at),
        TOLERANCE,
      ),
    ).toMatchObject({
      samples: 21,
      median: 130,
      growth: 60,
    });
  });
});

describe("the report", () => {
  const options = soakOptions([]) as SoakOptions;

  function reportOf(rssBytesAt: (at: number) => number, failed = 0): SoakReport {
    const samples = Array.from({ length: 40 }, (_, at): SoakSample => {
      const node: NodeSample = {
        operations: 100,
        failed: 0,
        rssBytes: rssBytesAt(at),
        heapBytes: 50e6,
        diskBytes: 80e6,
        handles: 40,
        p50Ms: 2,
        p99Ms: 9,
      };
      return { atSeconds: 10 * (at + 1), nodes: { n1: node, n2: { ...node, rssBytes: 150e6 } } };
    });
    const machine = {
      cpu: "<a>",
      cores: 2,
      memoryBytes: 1,
      system: "s",
      node: "n",
      disk: "d",
      loadBefore: 0,
      commit: "c",
    };
    const judgements = judgementsOf(samples, options);
    return { machine, options, samples, operations: 8000, failed, failure: null, judgements };
  }

  it("is well where nothing grows once it is warm", () => {
    const report = reportOf((at) => (at < 10 ? 100e6 + at * 10e6 : 200e6));
    expect(isWell(report)).toBe(true);
    expect(soakText(report)).toMatch(/all is flat$/);
    expect(report.judgements).toHaveLength(12);
  });

  it("names the figure and the node that grow", () => {
    const report = reportOf((at) => 200e6 + at * 2e6);
    expect(isWell(report)).toBe(false);
    const grown = soakText(report)
      .split("\n")
      .filter((line) => line.endsWith("GROWS"));
    expect(grown).toEqual([expect.stringMatching(/^resident memory +n1 .*MiB/)]);
  });

  it("is not well where operations failed", () => {
    expect(isWell(reportOf(() => 200e6, 1))).toBe(false);
  });

  it("has a picture of each figure that needs nothing else", () => {
    const html = soakHtml(reportOf((at) => 200e6 + at * 2e6));
    expect(html.match(/<svg viewBox="0 0 1100/g)).toHaveLength(6);
    expect(html.match(/<polyline/g)).toHaveLength(12);
    expect(html).toContain("GROWS");
    expect(html).toContain("&lt;a&gt;");
    expect(html).not.toMatch(/NaN|undefined|https?:|<script/);
  });
});

describe("a steady load", () => {
  it("begins what is due, and tells of each window what ended in it", async () => {
    let begun = 0;
    const enough: (() => void)[] = [];
    const load = new SteadyLoad(async () => {
      begun += 1;
      if (begun % 10 === 0) throw new Error("every tenth");
      if (begun > 50) for (const resolve of enough) resolve();
    }, 1000);
    await new Promise<void>((resolve) => enough.push(resolve));
    await load.stop();
    const { operations, failed, p50Ms, p99Ms, maxMs } = load.window();
    expect(operations + failed).toBe(begun);
    expect(failed).toBe(Math.floor(begun / 10));
    expect(p50Ms).toBeLessThanOrEqual(p99Ms);
    expect(p99Ms).toBeLessThanOrEqual(maxMs);
    expect(load.window()).toMatchObject({ operations: 0, failed: 0 });
    expect(String(load.failure)).toContain("every tenth");
  });
});

describe("the command line of a soak", () => {
  it("is half an hour at a thousand a second by default", () => {
    expect(soakOptions([])).toMatchObject({ minutes: 30, rate: 1000, sampleSeconds: 10, warmUpShare: 0.25 });
    expect(soakOptions(["--help"])).toBe("help");
  });

  it.each([
    [["--minutes", "0"], "--minutes"],
    [["--rate", "fast"], "--rate"],
    [["--warm-up-percent", "95"], "--warm-up-percent"],
    [["--profile", "slow"], "--profile"],
    [["--minute", "1"], "--minute"],
  ])("refuses %j naming %s", (args, name) => {
    expect(() => soakOptions(args)).toThrow(BadOption);
    expect(() => soakOptions(args)).toThrow(name);
  });
});
