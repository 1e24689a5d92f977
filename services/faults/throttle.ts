import { assert } from "#std";
import { directionKey } from "./cuts";
import type { NetworkFilter } from "./filter";

/**
 * A narrow link: each direction carries so many messages a second, evenly spaced. The others wait their turn, and are
 * lost where `queueMessagesMax` wait already.
 */
export function throttle({
  messagesPerSecond,
  queueMessagesMax,
}: {
  readonly messagesPerSecond: number;
  readonly queueMessagesMax: number;
}): NetworkFilter {
  assert(messagesPerSecond > 0, "a throttled link carries something");
  assert(queueMessagesMax >= 0, "a queue has no negative length");
  const intervalMs = 1000 / messagesPerSecond;
  /** When each link can take its next message. */
  const freeAtMs = new Map<string, number>();
  return {
    name: `throttle(${messagesPerSecond} a second, ${queueMessagesMax} waiting)`,
    apply: ({ message, delayMs }, { nowMs }) => {
      const link = directionKey(message);
      const arrivalMs = nowMs + delayMs;
      const leavesMs = Math.max(arrivalMs, freeAtMs.get(link) ?? arrivalMs);
      // Rounded, for a sum of intervals that is not exact must not count as one more that waits.
      const waiting = Math.ceil((leavesMs - arrivalMs) / intervalMs - 1e-6);
      if (waiting > queueMessagesMax) return [];
      freeAtMs.set(link, leavesMs + intervalMs);
      return [{ message, delayMs: leavesMs - nowMs }];
    },
  };
}
