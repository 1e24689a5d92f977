import { describe, expect, it } from "@jest/globals";
import { type Baseline, type BaselineRun, baselineFrom, baselineOf, heldAgainst } from "./baseline";
import { type Cell, cpuMicrosOf, groupsOf, runRounds } from "./cells";
import { cpuCostsOf, ratiosOf } from "./comparison";
import { isKnownToGo } from "./etcd-go-generator";
import type { Footprint } from "./footprint";
import { ratioMark } from "./goals";
import { KeySpace } from "./key-space";
import type { Machine } from "./machine";
import type { Measurement, Seat } from "./measure";
import { type BenchOptions, benchOptions } from "./options";
import { benchHtml } from "./page";
import {
  baselineText,
  cellsText,
  cpuByRole,
  footprintText,
  footprintVerdicts,
  type Report,
  ratiosText,
  tableText,
  troublesOf,
} from "./report";
import { type Workload, workloadName } from "./workload";

const MACHINE: Machine = {
  cpu: "some CPU",
  cores: 2,
  memoryBytes: 8 * 1024 ** 3,
  system: "Linux",
  node: "v20.0.0",
  disk: "ext4 on /dev/sda",
  loadBefore: 0.1,
  commit: "0123456789ab",
};

const RUN: BaselineRun = { machine: MACHINE, keys: 20_000, valueBytes: 256 };

const PUT_64: Workload = { operation: "put", load: { kind: "closed", inFlight: 64 }, route: "leader" };

function measurement(
  store: Measurement["store"],
  workload: Workload,
  operationsPerSecond: number,
  more: Partial<Measurement> = {},
): Measurement {
  return {
    store,
    workload,
    operations: operationsPerSecond,
    failed: 0,
    failure: null,
    seconds: 1,
    p50Ms: 1,
    p95Ms: 2,
    p99Ms: 3,
    p999Ms: 4,
    maxMs: 5,
    operationsPerSecond,
    cpuMicrosPerOperation: { n1: 50, n2: 20, n3: 21, gateway: 1, load: 10 },
    syncsPerOperation: { n1: 0.1, n2: 0.1, n3: 0.1 },
    entriesPerSync: { n1: 10, n2: 9, n3: null },
    diskBytesPerOperation: { n1: 400, n2: 400, n3: 400, gateway: 0, load: 0 },
    writtenBytesPerOperation: { n1: 900, n2: 500, n3: 500, gateway: 0, load: 300 },
    rssBytes: { n1: 1e8, n2: 1e8, n3: 1e8, gateway: 5e7, load: 5e7 },
    leader: "n1",
    leaderChanged: false,
    ...more,
  };
}

function cell(
  store: Measurement["store"],
  throughputs: readonly number[],
  workload: Workload = PUT_64,
  more: Partial<Measurement> = {},
): Cell {
  return { store, workload, rounds: throughputs.map((each) => measurement(store, workload, each, more)) };
}

describe("ratios", () => {
  it.each([
    ["the median at it, the lower quartile within 10 %", 5, 4.5, 5, "reached"],
    ["the lower quartile further below", 5, 4.4, 5, "missed"],
    ["the median below it", 4.9, 4.9, 5, "missed"],
    ["at the stretch, with its lower quartile", 6.5, 5.9, 7, "stretch"],
    ["at the stretch, without its lower quartile", 7, 5.8, 5, "reached"],
    ["too few rounds", 10, 10, 4, "undecided"],
  ] as const)("%s", (_, median, lowerQuartile, rounds, mark) => {
    expect(ratioMark({ median, lowerQuartile, rounds }, { reach: 5, stretch: 6.5 })).toBe(mark);
  });

  it("are of medians, and their lower quartile is of single rounds", () => {
    const ours = cell("quorate", [500, 600, 700, 800, 900]);
    const theirs = cell("etcd", [100, 100, 100, 200, 100]);
    // By rounds: 5, 6, 7, 4 and 9.
    expect(ratiosOf([ours, theirs])).toEqual([
      {
        name: "put/64",
        against: "etcd",
        median: 7,
        lowerQuartile: 5,
        rounds: 5,
        goal: { reach: 5, stretch: 6.5 },
        mark: "reached",
      },
    ]);
  });

  it("hold all ways in against the same cell of the other store, and leave out what it did not run", () => {
    const unary: Workload = { ...PUT_64, route: "unary" };
    const get: Workload = { ...PUT_64, operation: "get" };
    const cells = [
      cell("quorate", [200]),
      cell("etcd", [100]),
      cell("quorate", [150], unary),
      cell("quorate", [9], get),
    ];
    expect(ratiosOf(cells).map(({ name, median }) => [name, median])).toEqual([
      ["put/64", 2],
      ["put@unary/64", 1.5],
    ]);
  });

  it("are to each store that ran beside, with its own goals", () => {
    const gateway: Workload = { ...PUT_64, route: "gateway" };
    const cells = [
      cell("quorate", [300, 300, 300, 300, 300]),
      cell("etcd-go", [100, 100, 100, 100, 100]),
      cell("etcd", [50, 50, 50, 50, 50]),
      cell("quorate", [160, 160, 160, 160, 160], gateway),
    ];
    expect(ratiosOf(cells).map(({ against, name, median, mark }) => [against, name, median, mark])).toEqual([
      ["etcd", "put/64", 6, "reached"],
      ["etcd", "put@gateway/64", 3.2, "missed"],
      ["etcd-go", "put/64", 3, "stretch"],
      ["etcd-go", "put@gateway/64", 1.6, "missed"],
    ]);
  });

  it("of a run with many keys have the goal that few keys beside set", () => {
    const cells = [cell("quorate", [80, 80, 80, 80, 80]), cell("few-keys", [100, 100, 100, 100, 100])];
    expect(ratiosOf(cells)).toMatchObject([
      { name: "put/64", median: 0.8, goal: { reach: 0.7, stretch: null }, mark: "reached" },
    ]);
  });

  it("CPU is that of all processes together", () => {
    expect(cpuMicrosOf(cell("quorate", [1, 2, 3]))).toBe(102);
    expect(cpuCostsOf([cell("quorate", [1, 1, 1, 1, 1]), cell("etcd", [1])])).toEqual([
      { name: "put/64", cpuMicros: 102, goal: { reach: 120, stretch: 80 }, mark: "reached" },
    ]);
    expect(cpuByRole(measurement("quorate", PUT_64, 1))).toEqual({
      leader: 50,
      followers: 41,
      gateway: 1,
      load: 10,
    });
  });
});

describe("a base line", () => {
  const ratios = ratiosOf([cell("quorate", [500]), cell("etcd", [100])]);
  const baseline: Baseline = baselineOf(RUN, [cell("quorate", [500]), cell("etcd", [100])], ratios);

  /** What a later run at a throughput and a cost is told. */
  function later(throughput: number, load: number, machine = MACHINE) {
    const cpuMicrosPerOperation = { n1: 50, n2: 20, n3: 21, gateway: 1, load };
    const cells = [cell("quorate", [throughput], PUT_64, { cpuMicrosPerOperation }), cell("etcd", [100])];
    return heldAgainst(baseline, { ...RUN, machine }, cells, ratiosOf(cells));
  }

  it("holds the ratios and the CPU of our own cells", () => {
    expect(baseline.cells).toEqual({ "put/64": { ratios: { etcd: 5 }, cpuMicros: 102 } });
    expect(baselineFrom(JSON.stringify(baseline))).toEqual(baseline);
  });

  it.each([
    ["the same", 500, 10, []],
    ["a little worse in both", 410, 25, []],
    ["a ratio more than 20 % below", 390, 10, ["ratio"]],
    ["CPU more than 20 % above", 500, 40, ["cpuMicros"]],
    ["both", 100, 100, ["ratio", "cpuMicros"]],
    ["better", 5000, 1, []],
  ])("flags what is worse than it allows: %s", (_, throughput, load, figures) => {
    const { regressions, gaps } = later(throughput, load);
    expect(regressions.map(({ figure }) => figure)).toEqual(figures);
    expect(gaps).toEqual([]);
  });

  it("does not compare microseconds of different machines, and says so", () => {
    const { regressions, gaps } = later(500, 1000, { ...MACHINE, cores: 8 });
    expect(regressions).toEqual([]);
    expect(gaps).toEqual([expect.stringContaining("2 x some CPU")]);
  });

  it("says what was not measured", () => {
    expect(heldAgainst(baseline, RUN, [], []).gaps).toEqual(["put/64 was not measured"]);
    const alone = heldAgainst(baseline, RUN, [cell("quorate", [500])], []);
    expect(alone).toEqual({
      regressions: [],
      gaps: ["put/64 has no ratio to compare: etcd did not run beside"],
    });
  });

  it("does not compare what is not alike", () => {
    const cells = [cell("quorate", [5]), cell("etcd", [100])];
    expect(heldAgainst(baseline, { ...RUN, keys: 1000 }, cells, ratiosOf(cells))).toEqual({
      regressions: [],
      gaps: [expect.stringContaining("20000 keys")],
    });
    const beside = [cell("quorate", [5]), cell("etcd-go", [100])];
    expect(heldAgainst(baseline, RUN, beside, ratiosOf(beside))).toEqual({
      regressions: [],
      gaps: [expect.stringContaining("etcd did not run beside")],
    });
  });

  it.each([
    ["{", "JSON"],
    ["null", "version 2"],
    ['{"version":1}', "version 2"],
    ['{"version":2}', "no machine"],
    ['{"version":2,"machine":{},"cells":{},"tolerance":{"ratio":0.1}}', "tolerance"],
    ...[{ ratios: { etcd: "5" }, cpuMicros: 1 }, { cpuMicros: 1 }, { ratios: {} }].map((figures) => [
      JSON.stringify({
        version: 2,
        machine: {},
        cells: { "put/1": figures },
        tolerance: { ratio: 0.1, cpu: 0.1 },
      }),
      "put/1",
    ]),
  ])("refuses %s", (text, problem) => {
    expect(() => baselineFrom(text)).toThrow(problem);
  });
});

describe("rounds", () => {
  const seats = (["quorate", "etcd"] as const).map((name) => seatOf(name, () => true));

  function seatOf(name: Seat["contender"]["name"], canRun: Seat["contender"]["canRun"]): Seat {
    return { contender: { name, canRun }, space: new KeySpace({ keys: 2, valueBytes: 1 }) } as Seat;
  }

  it("a workload on all stores and ways in is one group, in which etcd runs once", () => {
    const { workloads } = benchOptions([
      "--cell",
      "put,put@unary,get",
      "--in-flight",
      "1,64",
    ]) as BenchOptions;
    const groups = groupsOf(seats, workloads);
    expect(
      groups.map((group) =>
        group.map(({ seat, workload }) => `${seat.contender.name} ${workloadName(workload)}`),
      ),
    ).toEqual([
      ["quorate put/1", "etcd put/1", "quorate put@unary/1"],
      ["quorate put/64", "etcd put/64", "quorate put@unary/64"],
      ["quorate get/1", "etcd get/1"],
      ["quorate get/64", "etcd get/64"],
    ]);
  });

  it("a store runs what it can", () => {
    const { workloads } = benchOptions(["--cell", "ycsb-a,put", "--in-flight", "1"]) as BenchOptions;
    const groups = groupsOf([...seats, seatOf("etcd-go", isKnownToGo)], workloads);
    expect(groups.map((group) => group.map(({ seat }) => seat.contender.name))).toEqual([
      ["quorate", "etcd"],
      ["quorate", "etcd", "etcd-go"],
    ]);
  });

  it("are interleaved, and who goes first changes", async () => {
    const { workloads } = benchOptions(["--cell", "put,get", "--in-flight", "1"]) as BenchOptions;
    const order: string[] = [];
    const cells = await runRounds(groupsOf(seats, workloads), 2, async ({ seat, workload }, round) => {
      order.push(`${round} ${seat.contender.name} ${workload.operation}`);
      return measurement(seat.contender.name, workload, round);
    });
    expect(order).toEqual([
      "0 quorate put",
      "0 etcd put",
      "0 quorate get",
      "0 etcd get",
      "1 etcd put",
      "1 quorate put",
      "1 etcd get",
      "1 quorate get",
    ]);
    expect(cells.map(({ store, workload, rounds }) => [store, workload.operation, rounds.length])).toEqual([
      ["quorate", "put", 2],
      ["etcd", "put", 2],
      ["quorate", "get", 2],
      ["etcd", "get", 2],
    ]);
  });
});

describe("the report", () => {
  const gateway: Workload = { ...PUT_64, route: "gateway" };
  const open: Workload = { ...PUT_64, load: { kind: "open", perSecond: 100 } };
  const cells = [
    cell("quorate", [500, 510, 520, 530, 540]),
    cell("etcd", [100, 100, 100, 100, 100], PUT_64, { syncsPerOperation: { e1: 1 }, leader: "e1" }),
    cell("quorate", [400, 400, 400, 400, 400], gateway),
    cell("quorate", [100], open, { failed: 3, failure: "<b>nobody</b> is there", leaderChanged: true }),
  ];
  const ratios = ratiosOf(cells);
  const report: Report = {
    command: "npm run bench -- --cell put",
    machine: { ...MACHINE, loadBefore: 4 },
    options: benchOptions(["--against", "etcd"]) as BenchOptions,
    settlings: [],
    cells,
    ratios,
    cpuCosts: cpuCostsOf(cells),
    footprint: null,
    baseline: { ...heldAgainst(baselineOf(RUN, cells, ratios), RUN, cells, ratios), of: MACHINE },
  };

  it("aligns its tables", () => {
    expect(
      tableText(
        ["name", "figure"],
        [
          ["a", "1"],
          ["longer", "12345678"],
        ],
      ),
    ).toBe(["name      figure", "a              1", "longer  12345678"].join("\n"));
  });

  it("shows each cell in a line, by roles", () => {
    const [head, first] = cellsText(cells).split("\n");
    expect(head).toMatch(/^cell .*leader +followers +gateway +load us/);
    expect(first).toMatch(
      /^put\/64 +520 +\(500-540\) +1\.00 +2\.00 +3\.00 +4\.00 +50 +41 +1 +10 +102 +0\.300 +10\.0 +1200 +2200$/,
    );
  });

  it("marks ratios", () => {
    expect(ratiosText(ratios)).toMatch(/put\/64 +5\.20 +5\.10 +5\.0 +6\.5 +reached/);
    expect(ratiosText(ratios)).toMatch(/put@gateway\/64 +4\.00 +4\.00 +4\.0 +5\.0 +reached/);
  });

  it.each([
    [
      100_000,
      [
        "RSS 160 MB, below 170 MB: reached",
        "disk 120 MB, below 100 MB: MISSED",
        "restart 1400 ms, below 1500 ms: reached",
      ],
    ],
    [1_000_000, ["restart 1400 ms, below 10000 ms: reached"]],
    [500, []],
  ])("judges the footprint of %d keys by its largest member", (keys, verdicts) => {
    const footprint: Footprint = {
      keys,
      valueBytes: 256,
      loadSeconds: 1,
      rssBytesLoaded: { n1: 150e6, n2: 160e6 },
      rssBytesRestarted: { n1: 120e6, n2: 110e6 },
      diskBytes: { n1: 300e6, n2: 300e6 },
      diskBytesRestarted: { n1: 90e6, n2: 120e6 },
      restartsMs: [1300, 1400, 2000],
      keysAfterwards: keys,
    };
    expect(footprintVerdicts(footprint)).toEqual(verdicts);
    for (const verdict of verdicts) expect(footprintText(footprint)).toContain(verdict);
  });

  it("has a table for each store that ran beside", () => {
    const both = ratiosOf([...cells, cell("etcd-go", [260, 260, 260, 260, 260])]);
    const [npm = "", go = ""] = ratiosText(both).split("\n\n");
    expect(npm).toMatch(/put\/64 +5\.20[\s\S]*npm etcd3/);
    expect(go).toMatch(/put\/64 +2\.00[\s\S]*Go client/);
    const html = benchHtml({ ...report, ratios: both });
    for (const heading of ["Against etcd through npm etcd3", "Against etcd through its own Go client"])
      expect(html).toContain(heading);
  });

  it("says what went wrong", () => {
    expect(troublesOf(cells)).toEqual([
      "put/100ps: 3 operations FAILED, the first with: <b>nobody</b> is there",
      "put/100ps: the LEADER CHANGED in 1 rounds",
    ]);
    const worse = {
      regressions: [{ name: "put/1", figure: "ratio", against: "etcd", was: 2, is: 1 } as const],
      gaps: [],
      of: MACHINE,
    };
    expect(baselineText(worse)).toContain("WORSE  put/1: 1.00 times etcd through npm etcd3, was 2.00");
  });

  it("is one page that needs nothing else", () => {
    const html = benchHtml(report);
    for (const part of ["<svg", "<polyline", "put@gateway/64", "etcd put/64", "to reach: 5 times"])
      expect(html).toContain(part);
    expect(html).toContain("Others were at work on the machine");
    expect(html).toContain("&lt;b&gt;nobody&lt;/b&gt; is there");
    expect(html).not.toMatch(/<script|<link|src=|https?:|NaN|Infinity|undefined/);
  });
});
