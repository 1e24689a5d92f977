import { DEFAULT_BOUNDS, type ReplicaBounds } from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";

/** In half of the worlds the bounds of production, which no run comes near; in the others such that every run meets them. */
export function drawBounds(random: Random): ReplicaBounds {
  if (random.below(2) === 0) return DEFAULT_BOUNDS;
  const appendBytesMax = random.below(2) === 0 ? 0 : random.below(2_000);
  return {
    ...DEFAULT_BOUNDS,
    commandsMax: 2 + random.below(30),
    proposalBytesMax: 500 + random.below(2_000),
    uncommittedBytesMax: 500 + random.below(5_000),
    appendBytesMax,
    inflightMessagesMax: 1 + random.below(8),
    inflightBytesMax: appendBytesMax + 500 + random.below(2_000),
    committedBytesPerReadyMax: 1 + random.below(2_000),
    readsWaitingMax: 1 + random.below(8),
    inboxMessagesMax: 4 + random.below(60),
  };
}
