import type { Direction } from "@quorate/services/faults";
import type { MemberId } from "@quorate/services/raft";

/** Every direction between two of the members. */
export function allDirections(members: readonly MemberId[]): readonly Direction[] {
  return members.flatMap((from) => members.filter((to) => to !== from).map((to) => ({ from, to })));
}

export function between(senders: readonly MemberId[], receivers: readonly MemberId[]): readonly Direction[] {
  return senders.flatMap((from) => receivers.filter((to) => to !== from).map((to) => ({ from, to })));
}

/** What two sides can no longer say to each other. */
export function splitLinks(left: readonly MemberId[], right: readonly MemberId[]): readonly Direction[] {
  return [...between(left, right), ...between(right, left)];
}

/** All but the links between neighbours of a ring; one way: all but those from each to the next. */
export function ringLinks(order: readonly MemberId[], isOneWay: boolean): readonly Direction[] {
  const place = new Map(order.map((member, position) => [member, position]));
  return allDirections(order).filter(({ from, to }) => {
    const ahead = (place.get(to)! - place.get(from)! + order.length) % order.length;
    return ahead !== 1 && (isOneWay || ahead !== order.length - 1);
  });
}

/** The others of a list, in its order. */
export function without(members: readonly MemberId[], excluded: readonly MemberId[]): readonly MemberId[] {
  return members.filter((member) => !excluded.includes(member));
}
