import type { Line, LineState, Place } from "./line";
import type { Waiting } from "./waiting";

/** Takes a place in line and waits until nobody stands before it: a watch of the one ahead, whoever leaves elsewhere. */
export async function untilFirst(
  line: Line,
  value: Uint8Array,
  ttlMs: number,
  waiting: Waiting,
): Promise<Place> {
  const entered = await line.enter(value, ttlMs, waiting);
  const { place } = entered;
  return orLeave(place, async () => {
    for (let state: LineState = entered.state; ; ) {
      const predecessor = place.ahead(state).at(-1);
      if (predecessor === undefined) return place;
      const revision = await line.change(predecessor.key, state, waiting, (_, kind) => kind === "delete");
      state = await line.state(waiting, revision);
    }
  });
}

/** Does something that takes a place to its turn; gives the place up when that fails. */
export async function orLeave<T>(place: Place, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    await place.leave();
    throw thrown;
  }
}
