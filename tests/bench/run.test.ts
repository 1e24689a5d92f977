import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Child, Workplace } from "../support";

const BENCH_PROGRAM = resolve(__dirname, "../dist/bench/main.js");

let workplace: Workplace;

beforeEach(() => {
  workplace = new Workplace();
});

afterEach(() => workplace.remove());

function bench(line: string): Child {
  return new Child(workplace, "bench", [BENCH_PROGRAM, ...line.split(" ")]);
}

test("the bench measures a cluster of its own and says so in JSON", async () => {
  const child = bench(
    "--cell mixed,mixed@gateway,cas@unary,footprint --in-flight 2 --rounds 2 --seconds 1 --warm-up-seconds 0 --keys 50 --footprint-keys 100 --profile fast --json -",
  );
  expect(await child.ended).toEqual({ code: 0, signal: null });
  const report = JSON.parse(child.log());
  expect(report.machine.cores).toBeGreaterThan(0);
  expect(report.cells).toHaveLength(3);
  for (const { rounds } of report.cells) {
    expect(rounds).toHaveLength(2);
    for (const round of rounds) {
      expect(round.operationsPerSecond).toBeGreaterThan(0);
      expect(round.failed).toBe(0);
      expect(round.p50Ms).toBeGreaterThan(0);
      expect(Object.keys(round.cpuMicrosPerOperation).sort()).toEqual(["gateway", "load", "n1", "n2", "n3"]);
      expect(Object.keys(round.syncsPerOperation)).toEqual(["n1", "n2", "n3"]);
      expect(round.syncsPerOperation[round.leader]).toBeGreaterThan(0);
      expect(round.diskBytesPerOperation[round.leader]).toBeGreaterThan(0);
    }
  }
  expect(report.footprint).toMatchObject({ keys: 100, keysAfterwards: 100 });
  expect(report.footprint.restartsMs).toHaveLength(2);
}, 300_000);

test("a wrong option stops the bench with one line that names it", async () => {
  const child = bench("--in-flight many");
  expect(await child.ended).toEqual({ code: 2, signal: null });
  expect(child.log().trimEnd().split("\n")).toEqual([expect.stringContaining("--in-flight")]);
});

test("a soak measures each node, draws a picture, and says whether anything grows", async () => {
  const out = workplace.at("soak");
  const child = bench(
    `soak --minutes 0.05 --rate 60 --sample-seconds 1 --history 200 --keys 100 --profile fast --out ${out}`,
  );
  // Three samples are too few to say that anything grows.
  expect(await child.ended).toEqual({ code: 0, signal: null });
  expect(child.log()).toContain("too short a run");
  const report = JSON.parse(readFileSync(join(out, "soak.json"), "utf8"));
  expect(report.samples).toHaveLength(3);
  for (const id of ["n1", "n2", "n3"]) {
    const nodes = report.samples.map(({ nodes }: { readonly nodes: Record<string, unknown> }) => nodes[id]);
    // A sample that comes late leaves little time for the next one, in which nothing may have ended.
    const active = nodes.filter(({ operations }: { readonly operations: number }) => operations > 0);
    expect(active).not.toEqual([]);
    for (const node of nodes) {
      expect(node.failed).toBe(0);
      for (const figure of ["rssBytes", "heapBytes", "diskBytes", "handles"])
        expect(node[figure]).toBeGreaterThan(0);
    }
    for (const node of active)
      for (const figure of ["p50Ms", "p99Ms"]) expect(node[figure]).toBeGreaterThan(0);
  }
  expect(readFileSync(join(out, "soak.html"), "utf8")).toContain("<polyline");
}, 300_000);
