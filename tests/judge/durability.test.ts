import { describe, expect, it } from "@jest/globals";
import { DurabilityOracle, oracleOfHistory, type WriteEffect } from "./durability";
import { failed, Sketch } from "./sketch";

const put = (value: string): WriteEffect => ({ kind: "put", value });
const append = (value: string): WriteEffect => ({ kind: "append", value });
const incr = (by: number): WriteEffect => ({ kind: "incr", by });
const del: WriteEffect = { kind: "delete" };

type Ending = "acknowledged" | "failed" | "unknown";
type Written = readonly [WriteEffect, Ending];

/** Writes one after another, then all nodes crash. */
function afterCrash(...writes: readonly Written[]): DurabilityOracle {
  const oracle = new DurabilityOracle();
  for (const [effect, ending] of writes) oracle.begin("k", effect)[ending]();
  oracle.crashed("all nodes killed");
  return oracle;
}

const ok = "acknowledged";
const verdicts: readonly (readonly [string, readonly Written[], string | null, string | null])[] = [
  ["an acknowledged put is there", [[put("x"), ok]], "x", null],
  ["an acknowledged put is gone", [[put("x"), ok]], null, "lost"],
  [
    "an acknowledged put fell back to the one before",
    [
      [put("x"), ok],
      [put("y"), ok],
    ],
    "x",
    "lost",
  ],
  [
    "a deleted key is back",
    [
      [put("x"), ok],
      [del, ok],
    ],
    "x",
    "resurrected",
  ],
  [
    "a deleted key stays away",
    [
      [put("x"), ok],
      [del, ok],
    ],
    null,
    null,
  ],
  [
    "an unknown put may be there",
    [
      [put("x"), ok],
      [put("y"), "unknown"],
    ],
    "y",
    null,
  ],
  [
    "an unknown put may be lost",
    [
      [put("x"), ok],
      [put("y"), "unknown"],
    ],
    "x",
    null,
  ],
  [
    "an unknown put hides no loss",
    [
      [put("x"), ok],
      [put("y"), "unknown"],
    ],
    null,
    "lost",
  ],
  [
    "an unknown put may come late",
    [
      [put("y"), "unknown"],
      [put("x"), ok],
    ],
    "y",
    null,
  ],
  [
    "an unknown delete may have happened",
    [
      [put("x"), ok],
      [del, "unknown"],
    ],
    null,
    null,
  ],
  [
    "a failed put is there",
    [
      [put("x"), ok],
      [put("y"), "failed"],
    ],
    "y",
    "impossible",
  ],
  ["a value nobody wrote", [[put("x"), ok]], "q", "impossible"],
  ["a key nobody wrote", [], "q", "impossible"],
  ["a key nobody wrote is absent", [], null, null],
  ["only an unknown put, and nothing there", [[put("x"), "unknown"]], null, null],
  [
    "all appends are there",
    [
      [append("1,"), ok],
      [append("2,"), ok],
    ],
    "1,2,",
    null,
  ],
  [
    "an append is lost",
    [
      [append("1,"), ok],
      [append("2,"), ok],
    ],
    "2,",
    "lost",
  ],
  [
    "an append is there twice",
    [
      [append("1,"), ok],
      [append("2,"), ok],
    ],
    "1,2,1,",
    "impossible",
  ],
  [
    "a failed append is there",
    [
      [append("1,"), ok],
      [append("2,"), "failed"],
    ],
    "1,2,",
    "impossible",
  ],
  [
    "an unknown append may be there",
    [
      [append("1,"), ok],
      [append("2,"), "unknown"],
    ],
    "1,2,",
    null,
  ],
  [
    "an unknown append may be lost",
    [
      [append("1,"), ok],
      [append("2,"), "unknown"],
    ],
    "1,",
    null,
  ],
  [
    "all increments count",
    [
      [incr(1), ok],
      [incr(2), ok],
    ],
    "3",
    null,
  ],
  [
    "an increment is lost",
    [
      [incr(1), ok],
      [incr(2), ok],
    ],
    "1",
    "lost",
  ],
  [
    "an unknown increment may count",
    [
      [incr(1), ok],
      [incr(2), "unknown"],
    ],
    "3",
    null,
  ],
  [
    "an increment counts twice",
    [
      [incr(1), ok],
      [incr(2), "unknown"],
    ],
    "5",
    "impossible",
  ],
  [
    "a failed increment counts",
    [
      [incr(1), ok],
      [incr(2), "failed"],
    ],
    "3",
    "impossible",
  ],
  ["a counter is no number", [[incr(1), ok]], "x", "impossible"],
];

describe("the durability oracle", () => {
  it.each(verdicts)("K4: %s", (_, writes, found, kind) => {
    expect(afterCrash(...writes).found("k", found)?.kind ?? null).toBe(kind);
  });

  it("K4: of writes that overlapped, either may be the last", () => {
    for (const found of ["x", "y"]) {
      const oracle = new DurabilityOracle();
      const [left, right] = [oracle.begin("k", put("x")), oracle.begin("k", put("y"))];
      left.acknowledged();
      right.acknowledged();
      expect(oracle.found("k", found)).toBeNull();
    }
  });

  it("K4: what was found must survive all later crash cycles", () => {
    const oracle = afterCrash([put("x"), ok], [put("y"), "unknown"]);
    expect(oracle.found("k", "y")).toBeNull();
    oracle.crashed("again");
    expect(oracle.found("k", "x")).toEqual({
      kind: "lost",
      key: "k",
      found: "x",
      cycle: { number: 2, name: "again" },
      detail: expect.stringContaining('"y"'),
    });
  });

  it("K4: an unknown write takes effect once at most, over all cycles", () => {
    const oracle = afterCrash([put("y"), "unknown"]);
    expect(oracle.found("k", "y")).toBeNull();
    oracle.begin("k", put("x")).acknowledged();
    oracle.crashed("again");
    expect(oracle.found("k", "y")?.kind).toBe("lost");
  });

  it("K4: an unknown append that was found must stay", () => {
    const oracle = afterCrash([append("1,"), ok], [append("2,"), "unknown"]);
    expect(oracle.found("k", "1,2,")).toBeNull();
    oracle.crashed("again");
    expect(oracle.found("k", "1,")?.kind).toBe("lost");
  });

  it("K4: a loss is reported once, not in each cycle after it", () => {
    const oracle = afterCrash([put("x"), ok]);
    oracle.found("k", null);
    oracle.crashed("again");
    oracle.found("k", null);
    expect(oracle.findings).toHaveLength(1);
  });

  it("K4: says what must survive and what may be lost", () => {
    const oracle = afterCrash([put("x"), ok], [put("y"), ok], [put("z"), "unknown"], [put("w"), "failed"]);
    expect(oracle.expectation("k")).toEqual({ mustSurvive: [put("y")], mayBeLost: [put("z")] });
  });

  it("K4: judges a whole state, keys that are missing and keys that should not be there", () => {
    const oracle = afterCrash([put("x"), ok]);
    const findings = oracle.foundAll(new Map([["stray", "q"]]));
    expect(findings.map(({ key, kind }) => [key, kind])).toEqual([
      ["k", "lost"],
      ["stray", "impossible"],
    ]);
  });

  it("K4: reads its writes from a recorded history", () => {
    const client = new Sketch("c");
    const oracle = oracleOfHistory([
      client.put([0, 10], "x"),
      failed(client.put([11, 12], "y")),
      client.cas([13, 14], "x", "z"),
      client.cas([15, 16], "q", "w", false),
      client.put([17, null], "v"),
    ]);
    expect(oracle.expectation("k")).toEqual({ mustSurvive: [put("z")], mayBeLost: [put("v")] });
    expect(oracle.found("k", "x")?.kind).toBe("lost");
  });

  it("refuses to mix kinds of writes on one key, and a second end", () => {
    const oracle = new DurabilityOracle();
    const write = oracle.begin("k", put("x"));
    expect(() => oracle.begin("k", incr(1))).toThrow('key "k" is for puts and deletes: it takes no incr');
    write.acknowledged();
    expect(() => write.unknown()).toThrow("ends once");
  });
});
