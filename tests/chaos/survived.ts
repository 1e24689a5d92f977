import { resolve } from "node:path";
import { expect } from "@jest/globals";
import type { FaultName } from "./faults";
import { type ChaosOptions, commandOf } from "./options";
import { exitCodeOf, reportText } from "./report";
import { runChaos } from "./run";

const REPORTS = resolve(__dirname, "../../reports");

/** A short run of `npm run chaos` with a fixed seed. */
export interface SurvivedRun {
  /** Its report stays in reports/chaos-test-NAME until the next run. */
  readonly name: string;
  readonly faults: readonly FaultName[];
  readonly seed: number;
  readonly nodes?: number;
  readonly steps?: number;
  readonly opsPerSecond?: number;
  /** In milliseconds; as `npm run chaos` judges by default. */
  readonly recoveryMsMax?: number;
}

export async function expectSurvived({ name, faults, seed, ...more }: SurvivedRun): Promise<void> {
  const { nodes = 3, steps = faults.length, opsPerSecond = 200, recoveryMsMax } = more;
  const options: ChaosOptions = {
    durationMs: 240_000,
    stepsMax: steps,
    faults,
    nodes,
    profile: "fast",
    seed,
    opsPerSecond,
    out: resolve(REPORTS, `chaos-test-${name}`),
    json: false,
  };
  const lines: string[] = [];
  const report = await runChaos(options, (line) => lines.push(line), recoveryMsMax);
  if (exitCodeOf(report) !== 0) throw new Error(`${commandOf(options)}\n${lines.join("\n")}`);
  expect(report.steps.map(({ step }) => step.fault)).toHaveLength(steps);
  expect(reportText(report)).toContain("; linearizable");
}
