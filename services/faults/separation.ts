import type { MemberId } from "#raft";
import { assert } from "#std";
import type { NetworkFilter } from "./filter";

/*
 * Cuts as filters, for where they are to be combined with others. Unlike the network's own partition(), they take only
 * what is sent while they are there: what is on its way arrives.
 */

/** Nothing gets from one set of members to the other; the way back stays open. */
export function partition({
  from,
  to,
}: {
  readonly from: readonly MemberId[];
  readonly to: readonly MemberId[];
}): NetworkFilter {
  const senders = new Set(from);
  const receivers = new Set(to);
  return {
    name: `partition(${from.join(" ")} > ${to.join(" ")})`,
    apply: (delivery) =>
      senders.has(delivery.message.from) && receivers.has(delivery.message.to) ? [] : [delivery],
  };
}

/** Nothing gets from one group to the other, either way. Who is in none reaches both. */
export function splitInTwo(groupA: readonly MemberId[], groupB: readonly MemberId[]): NetworkFilter {
  const inA = new Set(groupA);
  const inB = new Set(groupB);
  assert(
    groupA.every((id) => !inB.has(id)),
    "a member is on one side of a split",
  );
  return {
    name: `splitInTwo(${groupA.join(" ")} | ${groupB.join(" ")})`,
    apply: (delivery) => {
      const { from, to } = delivery.message;
      return (inA.has(from) && inB.has(to)) || (inB.has(from) && inA.has(to)) ? [] : [delivery];
    },
  };
}

/** Nothing gets to the member, and nothing from it. */
export function isolate(id: MemberId): NetworkFilter {
  return {
    name: `isolate(${id})`,
    apply: (delivery) => (delivery.message.from === id || delivery.message.to === id ? [] : [delivery]),
  };
}
