import { resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { Child, Workplace } from "../../support";
import { BadOption } from "../options";
import { keyOf, numberedValue, numberOf } from "./data";
import { longestGapMs } from "./failover";
import { type Goal, judge } from "./goal";
import { scenarioHelp, scenarioOptions } from "./options";
import { scenarioText, verdictsOf } from "./report";
import { SCENARIOS } from "./run";

const BENCH_PROGRAM = resolve(__dirname, "../../dist/bench/main.js");

describe("a goal", () => {
  it.each<readonly [Goal["is"], number, boolean]>([
    ["below", 4.9, true],
    ["below", 5, false],
    ["at most", 5, true],
    ["at most", 5.1, false],
    ["at least", 5, true],
    ["at least", 4.9, false],
    ["below", Number.NaN, false],
    ["at least", Number.NaN, false],
  ])("%s 5 with %d: reached is %p", (is, value, isReached) => {
    expect(judge({ figure: "someMs", is, limit: 5 }, value)).toMatchObject({ value, isReached });
  });

  it("is for the median of the rounds", () => {
    const rounds = [{ gapMs: 900 }, { gapMs: 100 }, { gapMs: 200 }];
    const [verdict] = verdictsOf([{ figure: "gapMs", is: "below", limit: 300 }], rounds);
    expect(verdict).toMatchObject({ value: 200, isReached: true });
  });

  it("is printed as reached or missed, for each timing", () => {
    const { goals } = SCENARIOS.failover;
    const numbers = { rate: 200, seconds: 4 };
    const figures = { leaderGapMs: 300, slowestOverGap: 1, failed: 0, followerGapMs: 20 };
    const columns = (["default", "fast"] as const).map((profile) => ({
      store: "quorate" as const,
      profile,
      rounds: [figures],
      verdicts: verdictsOf(goals(profile, numbers), [figures]),
    }));
    const text = scenarioText({
      command: "",
      scenario: "failover",
      machine: {} as never,
      options: { columns, rounds: 1, numbers, json: null, gate: false },
      columns,
    });
    expect(text).toContain("quorate: reached  leaderGapMs below 500: 300");
    expect(text).toContain("quorate fast: MISSED   leaderGapMs below 250: 300");
  });
});

describe("options", () => {
  it("are those of the scenario, with its defaults", () => {
    expect(scenarioOptions(SCENARIOS.watch, ["--watchers", "100", "--profile", "default,fast"])).toEqual({
      columns: [
        { store: "quorate", profile: "default" },
        { store: "quorate", profile: "fast" },
      ],
      rounds: 3,
      numbers: { watchers: 100, rate: 100, seconds: 10, "warm-up": 3000 },
      json: null,
      gate: false,
    });
  });

  it.each([
    [["--keys", "5"], "--keys"],
    [["--watchers", "0"], "--watchers"],
    [["--profile", "slow"], "--profile"],
    [["--against", "memory"], "--against"],
  ])("refuses %j naming %s", (args, name) => {
    expect(() => scenarioOptions(SCENARIOS.watch, args)).toThrow(BadOption);
    expect(() => scenarioOptions(SCENARIOS.watch, args)).toThrow(name);
  });

  it.each(Object.entries(SCENARIOS))("of %s are all in its help", (name, scenario) => {
    const help = scenarioHelp(name, scenario);
    for (const option of Object.keys(scenario.options)) expect(help).toContain(`--${option} N`);
  });
});

it("the longest gap is the one that ends between two times", () => {
  const acknowledgedAtMs = [0, 50, 60, 100, 400, 405, 2000];
  expect(longestGapMs(acknowledgedAtMs, Number.NEGATIVE_INFINITY, 70)).toBe(50);
  expect(longestGapMs(acknowledgedAtMs, 70, 1000)).toBe(300);
});

it("keys have 16 bytes, and a value tells its number", () => {
  expect(Buffer.byteLength(keyOf("spike-", 123))).toBe(16);
  expect(numberOf(numberedValue(70_000))).toBe(70_000);
});

describe("carried out with little load, in JSON", () => {
  let workplace: Workplace;

  beforeEach(() => {
    workplace = new Workplace();
  });

  afterEach(() => workplace.remove());

  it.each([
    ["watch --watchers 2 --rate 20 --seconds 1 --warm-up 50", { events: 40, missing: 0 }],
    ["connections --clients 5 --crowd 2 --in-flight 1 --seconds 1", { served: 5, failed: 0 }],
    ["spike --rate 10 --seconds 1", { failed: 0 }],
    ["failover --rate 10 --seconds 1", {}],
    ["start --keys 20 --idle 1", {}],
  ])(
    "%s",
    async (line, expected) => {
      const args = [...line.split(" "), "--rounds", "1", "--profile", "fast", "--json", "-"];
      const child = new Child(workplace, "bench", [BENCH_PROGRAM, ...args]);
      expect({ ...(await child.ended), log: child.log() }).toMatchObject({ code: 0, signal: null });
      const report = JSON.parse(child.log());
      expect(report.columns).toHaveLength(1);
      const [{ rounds, verdicts }] = report.columns;
      expect(rounds).toEqual([expect.objectContaining(expected)]);
      for (const figure of Object.values(rounds[0])) expect(figure).toBeGreaterThanOrEqual(0);
      for (const { figure } of verdicts) expect(Object.keys(rounds[0])).toContain(figure);
    },
    120_000,
  );
});
