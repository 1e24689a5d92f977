import { assert, type Random } from "#std";

/** Whether something of that probability, in [0, 1], happens this time. Draws even where the answer is certain. */
export function happens(random: Random, probability: number): boolean {
  return random.float() < probability;
}

export function assertProbability(probability: number): void {
  assert(probability >= 0 && probability <= 1, `a probability is between 0 and 1, not ${probability}`);
}
