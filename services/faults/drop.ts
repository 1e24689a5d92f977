import { assertProbability, happens } from "./chance";
import type { NetworkFilter } from "./filter";

/** Loses each message with that probability, in [0, 1]; by default every one. */
export function drop(probability = 1): NetworkFilter {
  assertProbability(probability);
  return {
    name: `drop(${probability})`,
    apply: (delivery, { random }) => (happens(random, probability) ? [] : [delivery]),
  };
}
