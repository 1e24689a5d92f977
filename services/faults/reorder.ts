import { assert } from "#std";
import { assertProbability, happens } from "./chance";
import type { NetworkFilter } from "./filter";
import { later } from "./latency";

/**
 * With that probability a message is kept back for up to `windowMs`, so that what is sent in the meantime overtakes it.
 * Inside first() or ofKind() it says which ones are overtaken.
 */
export function reorder({
  probability,
  windowMs,
}: {
  readonly probability: number;
  readonly windowMs: number;
}): NetworkFilter {
  assertProbability(probability);
  assert(windowMs > 0, "a message is overtaken only by what comes later");
  return {
    name: `reorder(${probability}, ${windowMs} ms)`,
    apply: (delivery, { random }) => {
      if (!happens(random, probability)) return [delivery];
      // In (0, windowMs]: not at all would be no reordering.
      return [later(delivery, (1 - random.float()) * windowMs)];
    },
  };
}
