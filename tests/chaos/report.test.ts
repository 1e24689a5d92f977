import { describe, expect, it } from "@jest/globals";
import { chaosOptions } from "./options";
import { type ChaosReport, exitCodeOf, type Problem, reportText, type StepReport, stepText } from "./report";

const step: StepReport = {
  step: { number: 4, fault: "split", seed: 1, holdMs: 3000, calmMs: 0 },
  on: "n1 n2 | n3",
  beganAtNs: 1_000_000_000n,
  struckAtNs: 1_001_000_000n,
  healedAtNs: 4_001_000_000n,
  recoveredAtNs: 4_501_000_000n,
  recovery: new Map([
    ["n1", 20],
    ["n2", 30],
    ["gateway1", 500],
  ]),
  recoveredMs: 500,
  outageMs: 1234,
  problem: null,
};

function reportWith(...problems: readonly Problem[]): ChaosReport {
  const options = chaosOptions(["--seed", "5"], () => 1);
  if (options === "help") throw new Error("no help was asked for");
  return { options, steps: [step], problems, verdict: { text: "fine", faults: [] } };
}

describe("the report", () => {
  it("has two lines for a fault", () => {
    expect(stepText(step)).toBe(
      "#4   split            n1 n2 | n3\n" +
        "     held 3.00 s, longest write outage 1.23 s, recovered in 0.50 s (n1 0.02 s, n2 0.03 s, gateway1 0.50 s)",
    );
  });

  it("says how to run the same plan again", () => {
    expect(reportText(reportWith())).toBe(
      [
        "",
        "1 faults, slowest recovery 0.50 s",
        "fine",
        "all is well",
        "the same plan again: npm run chaos -- --seed 5 --minutes 2 --nodes 3 --profile default --rate 200",
        "written to reports/chaos-5",
      ].join("\n"),
    );
  });

  it.each<[number, readonly Problem["kind"][]]>([
    [0, []],
    [10, ["crash"]],
    [11, ["liveness"]],
    [12, ["correctness"]],
    [12, ["crash", "liveness", "correctness"]],
    [10, ["liveness", "crash"]],
  ])("ends with %s after %j", (code, kinds) => {
    const report = reportWith(...kinds.map((kind) => ({ kind, text: `a ${kind}` })));
    expect(exitCodeOf(report)).toBe(code);
    for (const kind of kinds) expect(reportText(report)).toContain(`FAILED (${kind}) a ${kind}`);
  });
});
