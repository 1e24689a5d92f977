import { describe, expect, it } from "@jest/globals";
import { Sketch } from "../judge/sketch";
import type { StepReport } from "./report";
import { secondsOf, timelineHtml, timelineText } from "./timeline";

const S = 1_000_000_000;
const caller = new Sketch("c1", "k");

/** Whole nanoseconds of that many seconds. */
function at(seconds: number): number {
  return Math.round(seconds * S);
}

const history = [
  caller.put([at(1), at(1.002)], "a"),
  caller.put([at(1.5), at(1.6)], "b"),
  caller.put([at(2.2), null], "c"),
  caller.get([at(3.9), at(4.1)], "c"),
];

const step: StepReport = {
  step: { number: 3, fault: "kill-leader", seed: 1, holdMs: 1000, calmMs: 0 },
  on: "n1 <the leader>",
  beganAtNs: BigInt(at(1.9)),
  struckAtNs: BigInt(at(2)),
  healedAtNs: BigInt(at(3.1)),
  recoveredAtNs: BigInt(at(4.2)),
  recovery: new Map([[1, 1100]]),
  recoveredMs: 1100,
  outageMs: 900,
  problem: null,
};

describe("the timeline", () => {
  it("counts each second's operations by how they ended", () => {
    expect(secondsOf(history, BigInt(S))).toEqual([
      { ok: 2, fail: 0, unknown: 0, slowestMs: 100 },
      { ok: 0, fail: 0, unknown: 1, slowestMs: 0 },
      { ok: 0, fail: 0, unknown: 0, slowestMs: 0 },
      { ok: 1, fail: 0, unknown: 0, slowestMs: 200 },
    ]);
  });

  it("shows them beside the faults as text", () => {
    const lines = timelineText(history, [step], BigInt(S)).trimEnd().split("\n");
    expect(lines).toEqual([
      "second    ok  fail  unknown  slowest",
      `     0     2     0        0   100 ms  ${"#".repeat(40)}  #3 kill-leader begins: n1 <the leader>`,
      `     1     0     0        1     0 ms  ${" ".repeat(40)}  #3 kill-leader`,
      `     2     0     0        0     0 ms  ${" ".repeat(40)}  #3 kill-leader`,
      `     3     1     0        0   200 ms  ${"#".repeat(20)}${" ".repeat(20)}  #3 kill-leader recovered`,
    ]);
  });

  it("draws them as one page that loads nothing", () => {
    const html = timelineHtml(history, [step], BigInt(S), "1 < 2");
    expect(html).toContain("#3 kill-leader: n1 &lt;the leader&gt;");
    expect(html).toContain("1 &lt; 2");
    expect(html).not.toMatch(/<script|src=|href=/);
    expect(html.match(/class="(strikes|holds|recovers)"/g)).toHaveLength(3);
  });
});
