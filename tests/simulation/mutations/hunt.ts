import type { ProfileName } from "../faults";
import type { RunResult } from "../run";

/** Seeds to be run, one after another, until something is found. */
export interface Hunt {
  /** The directory of the code to run. */
  readonly tree: string;
  readonly profile: ProfileName;
  readonly operations: number;
  readonly seeds: readonly number[];
}

/** The first seed that finds something, and what; null: none of them. */
export type Catch = { readonly seed: number; readonly finding: NonNullable<RunResult["finding"]> } | null;

/** What the hunting process tells: that a seed was run, or how the hunt ended. */
export type HuntMessage = { readonly kind: "ran" } | { readonly kind: "ended"; readonly caught: Catch };

/** Runs code of whatever tree: that of this file is as good as any other. */
export async function hunt({ tree, profile, operations, seeds }: Hunt, onRan: () => void): Promise<Catch> {
  const { runSeed }: typeof import("../run") = require(`${tree}/tests/simulation/run.js`);
  for (const seed of seeds) {
    const { finding } = await runSeed({ seed, profile, nodes: null, operations });
    if (finding !== null) return { seed, finding };
    onRan();
  }
  return null;
}
