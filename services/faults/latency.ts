import { assert } from "#std";
import { directionKey } from "./cuts";
import type { Delivery, NetworkFilter } from "./filter";

/** Every message takes that much longer; their order stays. */
export function delay(delayMs: number): NetworkFilter {
  assert(delayMs >= 0, "no message arrives before it was sent");
  return { name: `delay(${delayMs} ms)`, apply: (delivery) => [later(delivery, delayMs)] };
}

/** Each message takes longer by a time in [minMs, maxMs), all equally likely: so they overtake each other. */
export function randomLatency({
  minMs,
  maxMs,
}: {
  readonly minMs: number;
  readonly maxMs: number;
}): NetworkFilter {
  assert(minMs >= 0 && maxMs >= minMs, "a range of latencies begins at 0 or later and does not end before");
  return {
    name: `randomLatency(${minMs} to ${maxMs} ms)`,
    apply: (delivery, { random }) => [later(delivery, minMs + random.float() * (maxMs - minMs))],
  };
}

/** Each message takes longer by a time that is mostly short and now and then a multiple of the mean. */
export function exponentialLatency({ meanMs }: { readonly meanMs: number }): NetworkFilter {
  assert(meanMs >= 0, "no message arrives before it was sent");
  return {
    name: `exponentialLatency(${meanMs} ms)`,
    apply: (delivery, { random }) => [later(delivery, -meanMs * Math.log(1 - random.float()))],
  };
}

/** What the filter delays keeps its order on each link, as on a TCP connection: the slow hold up those behind them. */
export function inOrder(filter: NetworkFilter): NetworkFilter {
  const lastArrivalMs = new Map<string, number>();
  return {
    name: `inOrder(${filter.name})`,
    apply: (delivery, context) =>
      filter.apply(delivery, context).map((passed) => {
        const link = directionKey(passed.message);
        const arrivalMs = Math.max(context.nowMs + passed.delayMs, lastArrivalMs.get(link) ?? 0);
        lastArrivalMs.set(link, arrivalMs);
        return { ...passed, delayMs: arrivalMs - context.nowMs };
      }),
  };
}

/** The delivery, with that much added to its delay. */
export function later({ message, delayMs }: Delivery, byMs: number): Delivery {
  return { message, delayMs: delayMs + byMs };
}
