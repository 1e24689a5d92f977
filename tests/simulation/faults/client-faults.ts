import type { Random } from "@quorate/services/std";

/** What the clients of a run do wrong, or have to bear; each probability is that of one operation. */
export interface ClientFaults {
  /** The caller gives up early and tries again under the same request id, while the first try is still under way. */
  readonly timeoutProbability: number;
  /** How long such a caller waits before it gives up. */
  readonly timeoutUs: number;
  /** A try after a failure goes to another node, not to the same one. */
  readonly retryElsewhereProbability: number;
  /** The same request is sent twice at once, to two nodes. */
  readonly duplicateProbability: number;
  /** An answered request is sent again, late. */
  readonly lateDuplicateProbability: number;
  /** The client says nothing for longer than its session lives, amid a retry. */
  readonly idleLongerThanTtlProbability: number;
  /** A caller goes to a node that is not said to lead. */
  readonly wrongNodeProbability: number;
  /** A read is a stale one, with or without bounds. */
  readonly staleReadProbability: number;
  /** A watch's client takes what it is told too slowly; of one stream. */
  readonly slowWatcherProbability: number;
  /** The connection of a watch breaks; at one frame. */
  readonly watchCutProbability: number;
  /** A watch is asked for from a revision that may be given up, or is yet to come; of one stream. */
  readonly strangeResumeProbability: number;
}

export const CALM_CLIENTS: ClientFaults = {
  timeoutProbability: 0,
  timeoutUs: 500_000,
  retryElsewhereProbability: 0,
  duplicateProbability: 0,
  lateDuplicateProbability: 0,
  idleLongerThanTtlProbability: 0,
  wrongNodeProbability: 0.05,
  staleReadProbability: 0.1,
  slowWatcherProbability: 0,
  watchCutProbability: 0,
  strangeResumeProbability: 0,
};

/** The most that a run draws. */
const roughest = {
  timeoutProbability: 0.3,
  retryElsewhereProbability: 0.9,
  duplicateProbability: 0.2,
  lateDuplicateProbability: 0.2,
  // Rare: each is a wait of many seconds for one client.
  idleLongerThanTtlProbability: 0.004,
  wrongNodeProbability: 0.3,
  staleReadProbability: 0.4,
  slowWatcherProbability: 0.5,
  watchCutProbability: 0.05,
  strangeResumeProbability: 0.4,
} as const satisfies Partial<ClientFaults>;

/** Probabilities between none and the roughest; with `isSwarm` each is none in half of the seeds. */
export function drawClientFaults(random: Random, { isSwarm }: { readonly isSwarm: boolean }): ClientFaults {
  const drawn: Record<string, number> = {};
  for (const [name, most] of Object.entries(roughest)) {
    const isOff = isSwarm && random.below(2) === 0;
    const probability = random.float() * most;
    drawn[name] = isOff ? 0 : Math.round(probability * 10_000) / 10_000;
  }
  const timeoutUs = 50_000 + random.below(1_000_000);
  return { ...CALM_CLIENTS, ...drawn, timeoutUs };
}
