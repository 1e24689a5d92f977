import type { Message } from "#raft";
import { BoundedQueue } from "#std";
import type { Delivery, FilterContext, NetworkFilter } from "./filter";

/** A filter that keeps what comes to it, until it is told what to do with that. */
export interface Hold extends NetworkFilter {
  /** What is held, oldest first. */
  readonly collected: readonly Message[];
  /** Lets the oldest `count` go on, in their order; by default all. What comes later is held again. */
  release(count?: number): void;
  /** Loses all that is held. */
  drop(): void;
}

/**
 * Holds every message; inside ofKind() or when(), those only. What exceeds `messagesMax` is lost. A hold that is taken
 * away from its network can still release what it has.
 */
export function hold({ messagesMax = 100_000 }: { readonly messagesMax?: number } = {}): Hold {
  const held = new BoundedQueue<{ readonly delivery: Delivery; readonly context: FilterContext }>(
    messagesMax,
  );
  return {
    name: "hold",
    get collected() {
      return [...held].map(({ delivery }) => delivery.message);
    },
    apply: (delivery, context) => {
      held.push({ delivery, context });
      return [];
    },
    release: (count = held.length) => {
      // Counted beforehand: what a release sets in motion may come here again.
      for (let left = Math.min(count, held.length); left > 0; left -= 1) {
        const next = held.shift();
        next?.context.resume(next.delivery);
      }
    },
    drop: () => held.clear(),
  };
}
