import { FAULT_KINDS, type FaultKind } from "./faults";
import type { RunResult } from "./run";

/** Many runs, counted together. */
export interface Tally {
  readonly seeds: number;
  readonly failed: number;
  readonly events: number;
  readonly operations: number;
  readonly elections: number;
  readonly crashes: number;
  readonly installs: number;
  readonly repairs: number;
  readonly restores: number;
  readonly simulatedHours: number;
  /** By kind, those that came; in the order of the list of kinds. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
}

export function tallyOf(results: readonly RunResult[]): Tally {
  const sum = (count: (result: RunResult) => number): number =>
    results.reduce((total, result) => total + count(result), 0);
  const faults: Partial<Record<FaultKind, number>> = {};
  for (const kind of FAULT_KINDS) {
    const count = sum((result) => result.faults[kind] ?? 0);
    if (count > 0) faults[kind] = count;
  }
  return {
    seeds: results.length,
    failed: results.filter(({ finding }) => finding !== null).length,
    events: sum(({ counts }) => counts.events),
    operations: sum(({ operations }) => operations),
    elections: sum(({ counts }) => counts.elections),
    crashes: sum(({ counts }) => counts.crashes),
    installs: sum(({ counts }) => counts.installs),
    repairs: sum(({ counts }) => counts.repairs),
    restores: sum(({ counts }) => counts.restores),
    simulatedHours: sum(({ simulatedUs }) => simulatedUs) / 3_600_000_000,
    faults,
  };
}
