import type { Message, MessageKind } from "#raft";
import { assert } from "#std";
import type { Direction, FilterContext, NetworkFilter } from "./filter";

/** Applies the filter to those messages only for which the predicate holds. */
export function when(
  predicate: (message: Message, context: FilterContext) => boolean,
  filter: NetworkFilter,
): NetworkFilter {
  return select("when", predicate, filter);
}

/** Applies the filter to messages of those kinds only. */
export function ofKind(kinds: MessageKind | readonly MessageKind[], filter: NetworkFilter): NetworkFilter {
  const selected = new Set<MessageKind>(typeof kinds === "string" ? [kinds] : kinds);
  return select(`ofKind ${[...selected].join(" ")}`, ({ kind }) => selected.has(kind), filter);
}

/** Applies the filter to what goes from one member to one other. */
export function direction({ from, to }: Direction, filter: NetworkFilter): NetworkFilter {
  return select(`direction ${from} > ${to}`, (message) => message.from === from && message.to === to, filter);
}

/** Applies the filter to the first `count` messages that come to it; inside ofKind, to the first of that kind. */
export function first(count: number, filter: NetworkFilter): NetworkFilter {
  assertCount(count);
  let seen = 0;
  return select(
    `first ${count}`,
    () => {
      seen += 1;
      return seen <= count;
    },
    filter,
  );
}

/** Lets the first `count` messages that come to it pass, and applies the filter to all that follow. */
export function afterFirst(count: number, filter: NetworkFilter): NetworkFilter {
  assertCount(count);
  let seen = 0;
  return select(
    `afterFirst ${count}`,
    () => {
      seen += 1;
      return seen > count;
    },
    filter,
  );
}

function select(
  name: string,
  isSelected: (message: Message, context: FilterContext) => boolean,
  filter: NetworkFilter,
): NetworkFilter {
  return {
    name: `${name}: ${filter.name}`,
    apply: (delivery, context) =>
      isSelected(delivery.message, context) ? filter.apply(delivery, context) : [delivery],
  };
}

function assertCount(count: number): void {
  assert(Number.isSafeInteger(count) && count >= 0, "messages are counted in whole numbers");
}
