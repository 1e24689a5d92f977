import { seededRandom } from "@quorate/services/std";
import type { FaultName } from "./faults";
import { shuffled } from "./process-faults";

/** One fault of a run, with all that chance decides about it. */
export interface FaultStep {
  /** From 1. */
  readonly number: number;
  readonly fault: FaultName;
  /** Of the generator that draws the fault's victims and numbers. */
  readonly seed: number;
  /** How long the fault stays in force. */
  readonly holdMs: number;
  /** How long the cluster is left alone after it has recovered. */
  readonly calmMs: number;
}

export interface PlanOptions {
  readonly seed: number;
  readonly faults: readonly FaultName[];
  /** The holds are measured by it: an election or two fits into each. */
  readonly electionTimeoutMs: number;
}

/** The steps of a run, without end: rounds in which each fault comes once, each round in another order. */
export function* faultSteps({ seed, faults, electionTimeoutMs }: PlanOptions): Generator<FaultStep, never> {
  const random = seededRandom(seed);
  for (let number = 1; ; ) {
    for (const fault of shuffled(faults, random)) {
      yield {
        number,
        fault,
        seed: random.nextUint32(),
        holdMs: Math.round(electionTimeoutMs * (2.5 + 3 * random.float())),
        calmMs: Math.round(200 + electionTimeoutMs * random.float()),
      };
      number += 1;
    }
  }
}
