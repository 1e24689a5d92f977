import { type Cell, cpuMicrosOf } from "./cells";
import type { Ratio } from "./comparison";
import type { Machine } from "./machine";
import { workloadName } from "./workload";

/** What a run is held against later: figures that hold better from run to run than throughput does. */
export interface Baseline {
  readonly version: 1;
  readonly machine: Pick<Machine, "cpu" | "cores" | "disk" | "node" | "commit">;
  /** By which share a figure may be worse before it is a regression. Edited by hand. */
  readonly tolerance: { readonly ratio: number; readonly cpu: number };
  /** By the name of the workload. */
  readonly cells: Readonly<Record<string, BaselineCell>>;
}

export interface BaselineCell {
  /** Throughput as a multiple of the other store's; null where none ran beside. */
  readonly ratio: number | null;
  /** Of all processes together, an operation. */
  readonly cpuMicros: number;
}

/** A figure that is worse than the base line allows. */
export interface Regression {
  readonly name: string;
  readonly figure: "ratio" | "cpuMicros";
  readonly was: number;
  readonly is: number;
}

/** What came of holding a run against a base line. */
export interface BaselineOutcome {
  readonly regressions: readonly Regression[];
  /** What could not be held against it, each in a sentence. */
  readonly gaps: readonly string[];
}

const TOLERANCE = { ratio: 0.2, cpu: 0.2 } as const;

export function baselineOf(machine: Machine, cells: readonly Cell[], ratios: readonly Ratio[]): Baseline {
  const { cpu, cores, disk, node, commit } = machine;
  const own = cells.filter(({ store }) => store === "quorate");
  return {
    version: 1,
    machine: { cpu, cores, disk, node, commit },
    tolerance: TOLERANCE,
    cells: Object.fromEntries(own.map((cell) => [workloadName(cell.workload), figuresOf(cell, ratios)])),
  };
}

/** Microseconds mean something on the same kind of machine only, and a ratio only where the other store ran beside. */
export function heldAgainst(
  baseline: Baseline,
  machine: Machine,
  cells: readonly Cell[],
  ratios: readonly Ratio[],
): BaselineOutcome {
  const regressions: Regression[] = [];
  const gaps: string[] = [];
  const { cpu, cores } = baseline.machine;
  const isSameMachine = cpu === machine.cpu && cores === machine.cores;
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
    if (was.ratio !== null) {
      if (is.ratio === null) gaps.push(`${name} has no ratio: no other store ran beside`);
      else if (is.ratio < was.ratio * (1 - baseline.tolerance.ratio))
        regressions.push({ name, figure: "ratio", was: was.ratio, is: is.ratio });
    }
    if (isSameMachine && is.cpuMicros > was.cpuMicros * (1 + baseline.tolerance.cpu))
      regressions.push({ name, figure: "cpuMicros", was: was.cpuMicros, is: is.cpuMicros });
  }
  return { regressions, gaps };
}

/** @throws Error that says what is wrong with the text */
export function baselineFrom(text: string): Baseline {
  const value = JSON.parse(text) as Partial<Baseline> | null;
  if (value?.version !== 1) throw new Error("it is no base line of version 1");
  const { machine, tolerance, cells } = value;
  if (typeof machine !== "object" || typeof cells !== "object")
    throw new Error("it has no machine or no cells");
  for (const share of [tolerance?.ratio, tolerance?.cpu])
    if (typeof share !== "number" || !(share >= 0)) throw new Error("its tolerance has no ratio or no cpu");
  for (const [name, cell] of Object.entries(cells)) {
    const isRatio = cell.ratio === null || typeof cell.ratio === "number";
    if (!isRatio || typeof cell.cpuMicros !== "number") throw new Error(`its cell ${name} has no figures`);
  }
  return value as Baseline;
}

function figuresOf(cell: Cell, ratios: readonly Ratio[]): BaselineCell {
  const ratio = ratios.find(({ name }) => name === workloadName(cell.workload));
  return { ratio: ratio?.median ?? null, cpuMicros: cpuMicrosOf(cell) };
}
