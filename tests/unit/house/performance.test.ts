import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it, test } from "@jest/globals";
import { type Goal, RATIO_GOALS, ROUNDS_MIN, ratioMark } from "../../bench/goals";
import { withTable } from "../../bench/page-table";

const root = resolve(__dirname, "../../..");
const page = readFileSync(join(root, "docs/performance.md"), "utf8");

type Client = "etcd" | "etcd-go";

/** A report in which each cell has six times the throughput of each client of etcd's. */
function reportOf(clients: readonly Client[]): Parameters<typeof withTable>[1] {
  const cellOf = (store: "quorate" | Client, name: string, operationsPerSecond: number) => {
    const [, operation = "", route, inFlight] = /^(\w+)(?:@(\w+))?\/(\d+)$/.exec(name) ?? [];
    const load = { kind: "closed", inFlight: Number(inFlight) } as const;
    return {
      store,
      workload: { operation, load, route: route ?? "leader" },
      rounds: [{ operationsPerSecond }],
    };
  };
  const names = [...RATIO_GOALS.etcd.keys()];
  const ofEtcd = new Set(names.map((name) => name.replace(/@\w+/, "")));
  return {
    command: "npm run bench -- --against etcd --json some/file.json",
    machine: { cores: 2, cpu: "CPU", disk: "disk", node: "v20", commit: "abc", loadBefore: 0.1 } as never,
    cells: [
      ...names.map((name) => cellOf("quorate", name, 12_000)),
      ...clients.flatMap((client) => [...ofEtcd].map((name) => cellOf(client, name, 2000))),
    ] as never,
    ratios: clients.flatMap((against) =>
      names.map((name) => ({
        name,
        against,
        median: 6,
        lowerQuartile: 5.9,
        rounds: 5,
        goal: null,
        mark: name === "put@gateway/64" ? "stretch" : "reached",
      })),
    ),
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

const HEADS = { etcd: "npm etcd3, calls/s", "etcd-go": "etcd's Go client, calls/s" } as const;

/** Rows of the table of one client of etcd by the name of their cell, as the bench has it; none where there is no such table. */
function rowsOf(text: string, client: Client): ReadonlyMap<string, Row> {
  const table = text.split("\n\n").find((part) => part.includes(` | ${HEADS[client]} | `)) ?? "";
  const lines = table.matchAll(
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

/** A row claims what its figures show. */
function expectTrue(client: Client, name: string, row: Row): void {
  const goal = RATIO_GOALS[client].get(name) as Goal;
  const { own, etcd, ratio, lowerQuartile, ...told } = row;
  expect({ name, ...told }).toEqual({
    name,
    goal: goal.reach,
    mark: ratioMark({ median: ratio, lowerQuartile, rounds: ROUNDS_MIN }, goal),
  });
  // All three are rounded.
  expect(ratio).toBeGreaterThanOrEqual((own - 0.5) / (etcd + 0.5) - 0.005);
  expect(ratio).toBeLessThanOrEqual((own + 0.5) / (etcd - 0.5) + 0.005);
}

test("N5: the performance page has every cell with a goal against etcd's npm client, and claims what its figures show", () => {
  const rows = rowsOf(page, "etcd");
  expect([...rows.keys()]).toEqual([...RATIO_GOALS.etcd.keys()]);
  for (const [name, row] of rows) expectTrue("etcd", name, row);
});

test("the performance page claims against etcd's Go client what its figures show, where it has them", () => {
  const rows = rowsOf(page, "etcd-go");
  expect([[], [...RATIO_GOALS["etcd-go"].keys()]]).toContainEqual([...rows.keys()]);
  for (const [name, row] of rows) expectTrue("etcd-go", name, row);
});

describe("the performance page", () => {
  it.each(["What was measured", "How", "What limits it", "What to set", "Where others are faster"])(
    "says %s",
    (heading) => {
      const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
      expect(section?.length).toBeGreaterThan(200);
    },
  );

  it.each<readonly [string, readonly Client[]]>([
    ["through its npm client", ["etcd"]],
    ["through its npm client and its Go client", ["etcd", "etcd-go"]],
  ])("is given the tables of a report against etcd %s, and the rest of it stays", (_, clients) => {
    const written = withTable(page, reportOf(clients));
    for (const client of ["etcd", "etcd-go"] as const) {
      const rows = rowsOf(written, client);
      expect([...rows.keys()]).toEqual(clients.includes(client) ? [...RATIO_GOALS[client].keys()] : []);
    }
    for (const client of clients)
      expect(rowsOf(written, client).get("put@gateway/64")).toEqual({
        own: 12_000,
        etcd: 2000,
        ratio: 6,
        lowerQuartile: 5.9,
        goal: RATIO_GOALS[client].get("put@gateway/64")?.reach,
        mark: "stretch",
      });
    expect(written).toContain("`npm run bench -- --against etcd`");
    expect(written.slice(written.indexOf("## How"))).toBe(page.slice(page.indexOf("## How")));
  });

  it("is not given a table without all its lines", () => {
    const { cells, ratios, ...rest } = reportOf(["etcd"]);
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
