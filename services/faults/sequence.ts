import type { Random } from "#std";
import type { Delivery, FilterContext, NetworkFilter } from "./filter";

/** One filter made of several: each takes what the one before it lets through. */
export function sequence(...filters: readonly NetworkFilter[]): NetworkFilter {
  return {
    name: filters.map(({ name }) => name).join(", then "),
    apply: (delivery, context) => passFrom(0, filters, delivery, context),
  };
}

function passFrom(
  position: number,
  filters: readonly NetworkFilter[],
  delivery: Delivery,
  context: FilterContext,
): readonly Delivery[] {
  const filter = filters[position];
  if (filter === undefined) return [delivery];
  const goOn = (passed: Delivery): readonly Delivery[] => passFrom(position + 1, filters, passed, context);
  return filter.apply(delivery, new PartContext(context, goOn)).flatMap(goOn);
}

/** What one of a sequence's filters kept back has the rest of the sequence before it. */
class PartContext implements FilterContext {
  readonly resume = (delivery: Delivery): void => {
    for (const passed of this.goOn(delivery)) this.whole.resume(passed);
  };

  constructor(
    private readonly whole: FilterContext,
    private readonly goOn: (delivery: Delivery) => readonly Delivery[],
  ) {}

  get nowMs(): number {
    return this.whole.nowMs;
  }

  get random(): Random {
    return this.whole.random;
  }
}
