import type { Delivery, FilterContext, NetworkFilter } from "./filter";

/** One filter made of several: each takes what the one before it lets through. */
export function sequence(...filters: readonly NetworkFilter[]): NetworkFilter {
  return {
    name: filters.map(({ name }) => name).join(", then "),
    apply: (delivery, context) => passThrough(filters, delivery, context),
  };
}

function passThrough(
  filters: readonly NetworkFilter[],
  delivery: Delivery,
  context: FilterContext,
): readonly Delivery[] {
  const [filter, ...rest] = filters;
  if (filter === undefined) return [delivery];
  const { random } = context;
  const passed = filter.apply(delivery, {
    get nowMs() {
      return context.nowMs;
    },
    random,
    // What one of them kept back has the rest of the sequence before it.
    resume: (resumed) => {
      for (const out of passThrough(rest, resumed, context)) context.resume(out);
    },
  });
  return passed.flatMap((out) => passThrough(rest, out, context));
}
