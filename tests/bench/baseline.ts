import { type Cell, cpuMicrosOf } from "./cells";
import type { Ratio } from "./comparison";
import { OPPONENTS, type OpponentName } from "./contender";
import type { Machine } from "./machine";
import { workloadName } from "./workload";

/** What a run is held against later: figures that hold better from run to run than throughput does. */
export interface Baseline {
  readonly version: 2;
  readonly machine: Pick<Machine, "cpu" | "cores" | "disk" | "node" | "commit">;
  readonly keys: number;
  readonly valueBytes: number;
  /** By which share a figure may be worse before it is a regression. Edited by hand. */
  readonly tolerance: { readonly ratio: number; readonly cpu: number };
  /** By the name of the workload. */
  readonly cells: Readonly<Record<string, BaselineCell>>;
}

export interface BaselineCell {
  /** Throughput as a multiple of that of what ran beside, by its name. */
  readonly ratios: Readonly<Partial<Record<OpponentName, number>>>;
  /** Of all processes together, an operation. */
  readonly cpuMicros: number;
}

/** A figure that is worse than the base line allows. */
export type Regression = { readonly name: string; readonly was: number; readonly is: number } & (
  | { readonly figure: "ratio"; readonly against: OpponentName }
  | { readonly figure: "cpuMicros" }
);

/** What came of holding a run against a base line. */
export interface BaselineOutcome {
  readonly regressions: readonly Regression[];
  /** What could not be held against it, each in a sentence. */
  readonly gaps: readonly string[];
}

const TOLERANCE = { ratio: 0.2, cpu: 0.2 } as const;

/** What a run was of: figures of different runs are compared only where these are alike. */
export interface BaselineRun extends Pick<Baseline, "keys" | "valueBytes"> {
  readonly machine: Machine;
}

export function baselineOf(run: BaselineRun, cells: readonly Cell[], ratios: readonly Ratio[]): Baseline {
  const { keys, valueBytes } = run;
  const { cpu, cores, disk, node, commit } = run.machine;
  const own = cells.filter(({ store }) => store === "quorate");
  return {
    version: 2,
    machine: { cpu, cores, disk, node, commit },
    keys,
    valueBytes,
    tolerance: TOLERANCE,
    cells: Object.fromEntries(own.map((cell) => [workloadName(cell.workload), figuresOf(cell, ratios)])),
  };
}

/** Microseconds mean something on the same kind of machine only, and a ratio only where the same ran beside. */
export function heldAgainst(
  baseline: Baseline,
  run: BaselineRun,
  cells: readonly Cell[],
  ratios: readonly Ratio[],
): BaselineOutcome {
  const regressions: Regression[] = [];
  const gaps: string[] = [];
  if (baseline.keys !== run.keys || baseline.valueBytes !== run.valueBytes)
    return {
      regressions,
      gaps: [
        `the base line is of ${baseline.keys} keys with values of ${baseline.valueBytes} B: nothing is held against it`,
      ],
    };
  const { cpu, cores } = baseline.machine;
  const isSameMachine = cpu === run.machine.cpu && cores === run.machine.cores;
  if (!isSameMachine)
    gaps.push(`the base line is of ${cores} x ${cpu}: microseconds are not held against it`);
  const own = cells.filter(({ store }) => store === "quorate");
  for (const [name, was] of Object.entries(baseline.cells)) {
    const cell = own.find(({ workload }) => workloadName(workload) === name);
    if (cell === undefined) {
      gaps.push(`${name} was not measured`);
      continue;
    }
    const is = figuresOf(cell, ratios);
    for (const against of OPPONENTS) {
      const [ratioWas, ratioIs] = [was.ratios[against], is.ratios[against]];
      if (ratioWas === undefined) continue;
      if (ratioIs === undefined) gaps.push(`${name} has no ratio to compare: ${against} did not run beside`);
      else if (ratioIs < ratioWas * (1 - baseline.tolerance.ratio))
        regressions.push({ name, figure: "ratio", against, was: ratioWas, is: ratioIs });
    }
    if (isSameMachine && is.cpuMicros > was.cpuMicros * (1 + baseline.tolerance.cpu))
      regressions.push({ name, figure: "cpuMicros", was: was.cpuMicros, is: is.cpuMicros });
  }
  return { regressions, gaps };
}

/** @throws Error that says what is wrong with the text */
export function baselineFrom(text: string): Baseline {
  const value = JSON.parse(text) as Partial<Baseline> | null;
  if (value?.version !== 2) throw new Error("it is no base line of version 2");
  const { machine, tolerance, cells } = value;
  if (typeof machine !== "object" || typeof cells !== "object")
    throw new Error("it has no machine or no cells");
  for (const share of [tolerance?.ratio, tolerance?.cpu])
    if (typeof share !== "number" || !(share >= 0)) throw new Error("its tolerance has no ratio or no cpu");
  for (const [name, cell] of Object.entries(cells)) {
    const figures = [cell.cpuMicros, ...Object.values(cell.ratios ?? { none: null })];
    if (!figures.every((figure) => typeof figure === "number"))
      throw new Error(`its cell ${name} has no figures`);
  }
  return value as Baseline;
}

function figuresOf(cell: Cell, ratios: readonly Ratio[]): BaselineCell {
  const own = ratios.filter(({ name }) => name === workloadName(cell.workload));
  return {
    ratios: Object.fromEntries(own.map(({ against, median }) => [against, median])),
    cpuMicros: cpuMicrosOf(cell),
  };
}
