import { assert } from "#std";
import { assertProbability, happens } from "./chance";
import type { NetworkFilter } from "./filter";

/** With that probability a message arrives `copies` times more than it was sent. */
export function duplicate(probability = 1, copies = 1): NetworkFilter {
  assertProbability(probability);
  assert(Number.isSafeInteger(copies) && copies >= 1, "a duplicated message has at least one copy");
  return {
    name: `duplicate(${probability}, ${copies})`,
    apply: (delivery, { random }) =>
      happens(random, probability) ? Array.from({ length: copies + 1 }, () => delivery) : [delivery],
  };
}
