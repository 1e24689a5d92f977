import { resolve } from "node:path";
import { describe, expect, it, jest } from "@jest/globals";
import type { FaultName } from "./faults";
import { type ChaosOptions, commandOf } from "./options";
import { exitCodeOf, reportText } from "./report";
import { runChaos } from "./run";

/*
 * Short runs of `npm run chaos` with fixed seeds: each fault once. Their reports stay below reports/ until the next run.
 */

jest.setTimeout(300_000);

const REPORTS = resolve(__dirname, "../../reports");

interface Run {
  readonly name: string;
  readonly faults: readonly FaultName[];
  readonly seed: number;
  readonly nodes?: number;
  readonly steps?: number;
}

async function expectSurvived({ name, faults, seed, nodes = 3, steps = faults.length }: Run): Promise<void> {
  const options: ChaosOptions = {
    durationMs: 240_000,
    stepsMax: steps,
    faults,
    nodes,
    profile: "fast",
    seed,
    opsPerSecond: 200,
    out: resolve(REPORTS, `chaos-test-${name}`),
    json: false,
  };
  const lines: string[] = [];
  const report = await runChaos(options, (line) => lines.push(line));
  if (exitCodeOf(report) !== 0) throw new Error(`${commandOf(options)}\n${lines.join("\n")}`);
  expect(report.steps.map(({ step }) => step.fault)).toHaveLength(steps);
  expect(reportText(report)).toContain("; linearizable");
}

describe("real processes under attack lose nothing, answer right and recover within 10 s", () => {
  it("D7: three leaders of five are killed in a row under load", () =>
    expectSurvived({ name: "d7", faults: ["kill-leader"], seed: 7, nodes: 5, steps: 3 }));

  it("E11: two of three nodes fail one after another, then recover: all acknowledged keys", () =>
    expectSurvived({ name: "e11", faults: ["kill-one-by-one"], seed: 11 }));

  it("E4: a rolling restart under load", () =>
    expectSurvived({ name: "e4", faults: ["rolling-restart", "transfer"], seed: 4 }));

  it("E5: crash loops, pauses, and the crash of all at once", () =>
    expectSurvived({
      name: "e5",
      faults: ["crash-loop", "kill-all", "pause-leader", "pause-follower", "pause-flicker"],
      seed: 5,
    }));

  it("E8: a damaged log is refused by its node, never served", () =>
    expectSurvived({ name: "e8", faults: ["damaged-log", "damaged-table"], seed: 8 }));

  it("E9: a full disk ends its node, acknowledges nothing that is lost, and is done with when space returns", () =>
    expectSurvived({ name: "e9", faults: ["disk-full"], seed: 9, steps: 2 }));

  it("J3 to J5: the leader is isolated, deaf and mute, links are cut, halves are split", () =>
    expectSurvived({
      name: "partitions",
      faults: ["cut-one-way", "deaf-leader", "mute-leader", "isolate-leader", "split", "ring", "bridge"],
      seed: 3,
    }));

  it("links are slow, lossy, half open, and connections never complete", () =>
    expectSurvived({
      name: "links",
      faults: ["delay", "slow-node", "throttle", "lossy", "stream-reset", "half-open", "never-connects", "refuse"],
      seed: 6,
    }));
});
