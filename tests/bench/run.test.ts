import { execFileSync } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Child, Workplace } from "../support";
import type { Surroundings } from "../support/child";
import { etcdGoProblem } from "./etcd-go-program";
import { etcdVersion } from "./etcd-program";

const BENCH_PROGRAM = resolve(__dirname, "../dist/bench/main.js");

let workplace: Workplace;

beforeEach(() => {
  workplace = new Workplace();
});

afterEach(() => workplace.remove());

function bench(line: string, surroundings?: Surroundings, name = "bench"): Child {
  return new Child(workplace, name, [BENCH_PROGRAM, ...line.split(" ")], surroundings);
}

const testWithEtcd = etcdVersion() === null ? test.skip : test;
const testWithEtcdAndGo = etcdVersion() === null || etcdGoProblem() !== null ? test.skip : test;

test("the bench measures a cluster of its own and says so in JSON", async () => {
  const child = bench(
    "--cell mixed,mixed@gateway,cas@unary,footprint --in-flight 2 --rounds 2 --seconds 0.3 --warm-up-seconds 0 --keys 50 --footprint-keys 100 --json -",
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

test("an open loop leaves its tables, a page and a base line, which another run is held against", async () => {
  const line =
    "--cell put --rate 100 --rounds 1 --seconds 0.5 --settle-seconds 0 --warm-up-seconds 0 --keys 50 --profile fast";
  const [page, baseline] = [workplace.at("bench.html"), workplace.at("baseline.json")];
  const child = bench(`${line} --html ${page} --save-baseline ${baseline}`);
  expect(await child.ended).toEqual({ code: 0, signal: null });
  expect(child.log()).toMatch(/^put\/100ps +\d+ /m);
  expect(readFileSync(page, "utf8")).toContain("<svg");
  const saved = JSON.parse(readFileSync(baseline, "utf8"));
  expect(saved.cells["put/100ps"].cpuMicros).toBeGreaterThan(0);
  // As if it had once cost nothing, on this very machine.
  saved.cells["put/100ps"].cpuMicros = 1e-3;
  writeFileSync(baseline, JSON.stringify(saved));
  const later = bench(`${line} --baseline ${baseline}`, {}, "later");
  expect(await later.ended).toEqual({ code: 3, signal: null });
  expect(later.log()).toMatch(/WORSE {2}put\/100ps: \d+ us/);
}, 300_000);

testWithEtcd(
  "etcd runs beside, and each cell is a multiple of its",
  async () => {
    const child = bench(
      "--against etcd --cell put,put@unary,cas,scan,txn,ycsb-e,get-stale --in-flight 4 --rounds 1 --seconds 0.2 --settle-seconds 0 --warm-up-seconds 0 --keys 200 --json -",
    );
    expect(await child.ended).toEqual({ code: 0, signal: null });
    const { cells, ratios } = JSON.parse(child.log());
    expect(ratios.map(({ name }: { readonly name: string }) => name)).toEqual([
      ...["put/4", "put@unary/4", "cas/4", "scan/4", "txn/4", "ycsb-e/4", "get-stale/4"],
    ]);
    for (const { median } of ratios) expect(median).toBeGreaterThan(0);
    for (const { rounds } of cells) expect(rounds[0].failed).toBe(0);
    const etcd = cells.find(({ store }: { readonly store: string }) => store === "etcd").rounds[0];
    expect(Object.keys(etcd.syncsPerOperation)).toEqual(["e1", "e2", "e3"]);
    expect(etcd.syncsPerOperation[etcd.leader]).toBeGreaterThan(0);
    expect(Object.keys(etcd.cpuMicrosPerOperation).sort()).toEqual(["e1", "e2", "e3", "load"]);
  },
  300_000,
);

testWithEtcdAndGo(
  "etcd is called through its own Go client too, by a process of its own in the same rounds",
  async () => {
    const operations = ["mixed", "get-stale", "cas", "scan", "txn"];
    const child = bench(
      `--against etcd,etcd-go --cell ${operations},ycsb-d --in-flight 4 --rounds 1 --seconds 0.3 --settle-seconds 0 --warm-up-seconds 0.1 --keys 200 --json -`,
    );
    expect(await child.ended).toEqual({ code: 0, signal: null });
    const { cells, ratios } = JSON.parse(child.log());
    const ratiosTo = (name: string) =>
      ratios.filter(({ against }: { readonly against: string }) => against === name);
    // What it does not know is left out.
    expect(ratiosTo("etcd-go")).toHaveLength(operations.length);
    expect(ratiosTo("etcd")).toHaveLength(operations.length + 1);
    const rounds = cells
      .filter(({ store }: { readonly store: string }) => store === "etcd-go")
      .map(({ rounds }: { readonly rounds: readonly unknown[] }) => rounds[0]);
    expect(rounds).toHaveLength(operations.length);
    for (const round of rounds) {
      expect(round.failed).toBe(0);
      expect(round.operationsPerSecond).toBeGreaterThan(0);
      expect(round.maxMs).toBeGreaterThanOrEqual(round.p50Ms);
      expect(Object.keys(round.cpuMicrosPerOperation).sort()).toEqual(["e1", "e2", "e3", "load"]);
    }
    // One round may take less than a tick of the system's clock for it.
    const loads = rounds.map((round: { readonly cpuMicrosPerOperation: { readonly load: number } }) => {
      return round.cpuMicrosPerOperation.load;
    });
    expect(Math.max(...loads)).toBeGreaterThan(0);
  },
  600_000,
);

testWithEtcd("where there is no Go, that is said in one line and nothing is started", async () => {
  for (const program of ["getconf", "etcd"]) {
    const found = execFileSync("which", [program], { encoding: "utf8" }).trim();
    symlinkSync(found, workplace.at(program));
  }
  const child = bench("--against etcd-go", { environment: { PATH: workplace.path } });
  expect(await child.ended).toEqual({ code: 2, signal: null });
  expect(child.log().trimEnd().split("\n")).toEqual([
    "npm run bench -- --against etcd-go",
    "--against etcd-go: no Go is installed here (there is no program of that name on the PATH)",
  ]);
});

test("where there is no etcd, that is said in one line and nothing is started", async () => {
  const getconf = execFileSync("which", ["getconf"], { encoding: "utf8" }).trim();
  symlinkSync(getconf, workplace.at("getconf"));
  const child = bench("--against etcd", { environment: { PATH: workplace.path } });
  expect(await child.ended).toEqual({ code: 2, signal: null });
  expect(child.log().trimEnd().split("\n")).toEqual([
    "npm run bench -- --against etcd",
    "--against etcd: no etcd is installed here (there is no program of that name on the PATH)",
  ]);
});

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
