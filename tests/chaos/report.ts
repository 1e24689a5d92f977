import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  buildTimeline,
  type FaultEvent,
  type HistoryRecord,
  timelineHtml,
  timelineText,
  type ViolationMark,
} from "../judge";
import { type ChaosOptions, commandOf } from "./options";
import type { FaultStep } from "./plan";
import type { Recovery } from "./recovery";
import type { Verdict } from "./verdict";

/** What went wrong, of the kind that decides the exit code. */
export interface Problem {
  readonly kind: ProblemKind;
  readonly text: string;
}
/** harness: the run itself failed, which says nothing of the store. */
export type ProblemKind = "crash" | "liveness" | "correctness" | "harness";

/** The gravest comes first where there are several. */
export const EXIT_CODES = {
  correctness: 12,
  crash: 10,
  liveness: 11,
  harness: 1,
} as const satisfies Record<ProblemKind, number>;

/** One fault of a run. Times are nanoseconds of the history's clock. */
export interface StepReport {
  readonly step: FaultStep;
  /** What was struck. */
  readonly on: string;
  readonly beganAtNs: bigint;
  /** When the fault was in force. */
  readonly struckAtNs: bigint;
  readonly healedAtNs: bigint;
  readonly recoveredAtNs: bigint;
  readonly recovery: Recovery;
  /** After the heal, until a write through every node and gateway had succeeded; null for never. */
  readonly recoveredMs: number | null;
  /** The longest time without any acknowledged write, from the beginning to the recovery. */
  readonly outageMs: number;
  readonly problem: Problem | null;
}

export interface ChaosReport {
  readonly options: ChaosOptions;
  readonly steps: readonly StepReport[];
  readonly problems: readonly Problem[];
  /** null when the end could not be judged. */
  readonly verdict: Verdict | null;
}

export function exitCodeOf({ problems }: ChaosReport): number {
  const kinds = Object.keys(EXIT_CODES) as ProblemKind[];
  const gravest = kinds.find((kind) => problems.some((problem) => problem.kind === kind));
  return gravest === undefined ? 0 : EXIT_CODES[gravest];
}

/** One line for a fault. */
export function stepText({ step, on, beganAtNs, struckAtNs, healedAtNs, ...rest }: StepReport): string {
  const { recovery, recoveredMs, outageMs, problem } = rest;
  const nodes = [...recovery]
    .map(([name, ms]) => `${name} ${ms === null ? "never" : seconds(ms)}`)
    .join(", ");
  const head = `#${String(step.number).padEnd(3)} ${step.fault.padEnd(16)} ${on}`;
  if (problem !== null && recovery.size === 0) return `${head}\n     FAILED ${problem.text}`;
  const took = msBetween(beganAtNs, struckAtNs);
  return (
    `${head}\n     ${took > 100 ? `struck over ${seconds(took)}, ` : ""}held ${seconds(msBetween(struckAtNs, healedAtNs))}, ` +
    `longest write outage ${seconds(outageMs)}, recovered in ${recoveredMs === null ? "NEVER" : seconds(recoveredMs)} (${nodes})` +
    `${problem === null ? "" : "  FAILED"}`
  );
}

/** The end of a run in a few lines. */
export function reportText(report: ChaosReport): string {
  const { options, steps, problems, verdict } = report;
  const recovered = steps.flatMap(({ recoveredMs }) => recoveredMs ?? []);
  return [
    "",
    `${steps.length} faults, slowest recovery ${seconds(Math.max(0, ...recovered))}`,
    ...(verdict === null ? [] : [verdict.text]),
    ...problems.map(({ kind, text }) => `FAILED (${kind}) ${text}`),
    problems.length === 0 ? "all is well" : `exit code ${exitCodeOf(report)}`,
    `the same plan again: ${commandOf(options)}`,
    `written to ${options.out}`,
  ].join("\n");
}

/** report.txt, timeline.txt and timeline.html, beside the history. */
export function writeReport(report: ChaosReport, operations: readonly HistoryRecord[]): void {
  const { options, steps, verdict } = report;
  const text = [commandOf(options), ...steps.map(stepText), reportText(report)].join("\n");
  const timeline = buildTimeline({
    title: `Chaos of seed ${options.seed}, ${options.nodes} nodes`,
    records: operations,
    faults: steps.map(faultEventOf),
    violations: [...(verdict?.faults ?? []), ...steps.flatMap(markOf)],
  });
  const write = (name: string, content: string) => writeFileSync(join(options.out, name), content);
  write("report.txt", `${text}\n`);
  write("timeline.txt", timelineText(timeline));
  write("timeline.html", timelineHtml(timeline));
}

function faultEventOf({ step, on, beganAtNs, healedAtNs }: StepReport): FaultEvent {
  return { name: step.fault, target: on, startNs: beganAtNs, endNs: healedAtNs };
}

function markOf({ problem, recoveredAtNs }: StepReport): ViolationMark[] {
  return problem === null ? [] : [{ atNs: recoveredAtNs, text: problem.text }];
}

function msBetween(from: bigint, to: bigint): number {
  return Number(to - from) / 1e6;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
