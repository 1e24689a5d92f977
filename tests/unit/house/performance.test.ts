import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it, test } from "@jest/globals";
import { RATIO_GOALS, ROUNDS_MIN, ratioMark } from "../../bench/goals";
import { withTable } from "../../bench/page-table";

const root = resolve(__dirname, "../../..");
const page = readFileSync(join(root, "docs/performance.md"), "utf8");

/** A report in which each cell has six times the throughput of etcd's. */
function reportOf(names: readonly string[]): Parameters<typeof withTable>[1] {
  const cellOf = (store: "quorate" | "etcd", name: string, operationsPerSecond: number) => {
    const [, operation = "", route, inFlight] = /^(\w+)(?:@(\w+))?\/(\d+)$/.exec(name) ?? [];
    const load = { kind: "closed", inFlight: Number(inFlight) } as const;
    return {
      store,
      workload: { operation, load, route: route ?? "leader" },
      rounds: [{ operationsPerSecond }],
    };
  };
  const ofEtcd = new Set(names.map((name) => name.replace(/@\w+/, "")));
  return {
    command: "npm run bench -- --against etcd --json some/file.json",
    machine: { cores: 2, cpu: "CPU", disk: "disk", node: "v20", commit: "abc", loadBefore: 0.1 } as never,
    cells: [
      ...names.map((name) => cellOf("quorate", name, 12_000)),
      ...[...ofEtcd].map((name) => cellOf("etcd", name, 2000)),
    ] as never,
    ratios: names.map((name) => ({
      name,
      median: 6,
      lowerQuartile: 5.9,
      rounds: 5,
      goal: null,
      mark: name === "put@gateway/64" ? "stretch" : "reached",
    })),
  };
}

/** One line of the table against etcd. */
interface Row {
  /** Both in operations a second. */
  readonly own: number;
  readonly etcd: number;
  readonly ratio: number;
  readonly lowerQuartile: number;
  readonly goal: number;
  readonly mark: string;
}

/** Rows by the name of their cell, as the bench has it. */
function rowsOf(text: string): ReadonlyMap<string, Row> {
  const lines = text.matchAll(
    /^\| [^|`]*`([^`|]+)`[^|]* \| ([\d,]+) \| ([\d,]+) \| ([\d.]+) \(([\d.]+)\) \| ([\d.]+) \| (\w+) \|$/gm,
  );
  const number = (digits: string) => Number(digits.replaceAll(",", ""));
  return new Map(
    [...lines].map(([, name = "", own = "", etcd = "", ratio, lowerQuartile, goal, mark = ""]) => [
      name,
      {
        own: number(own),
        etcd: number(etcd),
        ratio: Number(ratio),
        lowerQuartile: Number(lowerQuartile),
        goal: Number(goal),
        mark,
      },
    ]),
  );
}

test("N5: the performance page has every cell with a goal against etcd's npm client, and claims what its figures show", () => {
  const rows = rowsOf(page);
  expect([...rows.keys()]).toEqual([...RATIO_GOALS.etcd.keys()]);
  for (const [name, goal] of RATIO_GOALS.etcd) {
    const { own, etcd, ratio, lowerQuartile, ...told } = rows.get(name) as Row;
    expect({ name, ...told }).toEqual({
      name,
      goal: goal.reach,
      mark: ratioMark({ median: ratio, lowerQuartile, rounds: ROUNDS_MIN }, goal),
    });
    // All three are rounded.
    expect(ratio).toBeGreaterThanOrEqual((own - 0.5) / (etcd + 0.5) - 0.005);
    expect(ratio).toBeLessThanOrEqual((own + 0.5) / (etcd - 0.5) + 0.005);
  }
});

describe("the performance page", () => {
  it.each(["What was measured", "How", "What limits it", "What to set", "Where others are faster"])(
    "says %s",
    (heading) => {
      const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
      expect(section?.length).toBeGreaterThan(200);
    },
  );

  it("is given the table of a report by the bench, and the rest of it stays", () => {
    const names = [...RATIO_GOALS.etcd.keys()];
    const measured = reportOf(names);
    const written = withTable(page, measured);
    expect([...rowsOf(written).keys()]).toEqual(names);
    expect(rowsOf(written).get("put@gateway/64")).toEqual({
      own: 12_000,
      etcd: 2000,
      ratio: 6,
      lowerQuartile: 5.9,
      goal: 4,
      mark: "stretch",
    });
    expect(written).toContain("`npm run bench -- --against etcd`");
    expect(written.slice(written.indexOf("## How"))).toBe(page.slice(page.indexOf("## How")));
  });

  it("is not given a table without all its lines", () => {
    const { cells, ratios, ...rest } = reportOf([...RATIO_GOALS.etcd.keys()]);
    expect(() => withTable(page, { ...rest, cells, ratios: ratios.slice(1) })).toThrow("put/1");
    expect(() => withTable(page, { ...rest, cells: cells.slice(0, -1), ratios })).toThrow("etcd scan/1");
  });

  it("names settings that a node has", () => {
    const settings = readFileSync(join(root, "services/node/settings.ts"), "utf8");
    const named = [...page.matchAll(/`--([a-z-]+)(?: [^`]*)?`/g)].map(([, name]) => name);
    expect(named.length).toBeGreaterThan(0);
    for (const name of named) expect(settings).toContain(`"${name}"`);
  });
});
