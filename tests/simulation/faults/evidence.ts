import { expect } from "@jest/globals";
import type { Direction } from "@quorate/services/faults";
import { type Roles, type Run, SECOND_US, type Sent } from "./rig";

/* What a run shows of a fault that lasted from its fifth second to its tenth. */

export function lost(sent: readonly Sent[]): number {
  return sent.filter(({ deliveredUs }) => deliveredUs.length === 0).length;
}

export function expectSilence(run: Run, links: readonly Direction[]): void {
  for (const link of links)
    expect(run.sentWithin(5, 10, link).flatMap(({ deliveredUs }) => deliveredUs)).toEqual([]);
}

export function expectTraffic(run: Run, links: readonly Direction[], fromS = 11, untilS = 14): void {
  const delivered = links
    .flatMap((link) => run.sentWithin(fromS, untilS, link))
    .flatMap((sent) => sent.deliveredUs);
  expect(delivered.length).toBeGreaterThan(0);
}

/** How many were overtaken by what was sent later on the same link. */
export function overtaken(sent: readonly Sent[]): number {
  return sent.filter(({ message, sentUs, deliveredUs }) =>
    sent.some(
      (later) =>
        later.message.from === message.from &&
        later.message.to === message.to &&
        later.sentUs > sentUs &&
        (later.deliveredUs[0] ?? Number.POSITIVE_INFINITY) < (deliveredUs[0] ?? 0),
    ),
  ).length;
}

/** Of the links from leader to follower, the first. */
export function firstLink({ leader, followers }: Roles): Direction {
  return { from: leader, to: followers[0]! };
}

export function expectNewLeader(run: Run, { leader }: Roles, untilS = 10): void {
  const elected = run.leaders.filter(({ atUs }) => atUs > 5 * SECOND_US && atUs < untilS * SECOND_US);
  expect(elected.some(({ id }) => id !== leader)).toBe(true);
}

export function expectGoneFor(run: Run, member: string, downUs: number): void {
  const [crash] = run.momentsOf("crashed", member);
  const start = run.momentsOf("started", member)[1];
  expect(start!.atUs - crash!.atUs).toBe(downUs);
}

/** Indexes that the batch under way would add, and whether they are there after the crash. */
export function lastWriteAtCrash(
  run: Run,
  member: string,
): { readonly wanted: number; readonly found: number } {
  const crashAt = run.moments.findIndex(({ what, member: id }) => what === "crashed" && id === member);
  const crash = run.moments[crashAt]!;
  const writing = run.moments
    .slice(0, crashAt)
    .findLast(({ what, member: id }) => what === "appending" && id === member)!;
  return { wanted: writing.batch!.entries.at(-1)?.index ?? writing.lastIndex, found: crash.lastIndex };
}

export function includes(links: readonly Direction[], { from, to }: Direction): boolean {
  return links.some((link) => link.from === from && link.to === to);
}
