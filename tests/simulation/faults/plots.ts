import type { MemberId } from "@quorate/services/raft";
import type { Draw } from "./draw";
import { endOf, type Fault, LEADER, type Target } from "./fault";

/** Faults that break little one by one, each at its time. All of them within a storm. */
export type Plot = (draw: Draw) => readonly Fault[];

/** How far apart they come: in election timeouts. */
const TO_BE_ELECTED = [0.3, 0.7] as const;

/** Against leaders that go by what the others have promised them for about an election timeout. */
export const plots = {
  /** One leader after another is cut off from all. */
  leaders_fall: (draw) =>
    again(draw, (fromUs) => {
      const leader = draw.member();
      const atUs = fromUs + timeouts(draw, TO_BE_ELECTED);
      const untilUs = atUs + timeouts(draw, [1.2, 2]);
      return [
        { kind: "leadership_transfer", atUs: fromUs, to: leader },
        ...fall(draw, leader, atUs, untilUs),
      ];
    }),

  bridge_breaks: (draw) => again(draw, (fromUs) => brokenBridge(draw, fromUs).faults),

  /** The same, and it is started anew just then. */
  bridge_restarts: (draw) =>
    again(draw, (fromUs) => {
      const { bridge, brokenUs, faults } = brokenBridge(draw, fromUs);
      const downUs = timeouts(draw, [0.005, 0.1]);
      return [...faults, { kind: "crash", atUs: brokenUs - draw.whole(0, downUs), target: bridge, downUs }];
    }),

  /** Whom the leader bids to take over stands still until the leader could believe that nothing comes of it. */
  late_successors: (draw) =>
    again(draw, (atUs) => {
      const to = draw.member();
      const haltedUs = atUs + draw.whole(100, 5_000);
      const cutUs = haltedUs + timeouts(draw, [0.2, 0.5]);
      const resumedUs = cutUs + timeouts(draw, [0.02, 0.3]);
      return [
        { kind: "leadership_transfer", atUs, to },
        { kind: "pause", atUs: haltedUs, untilUs: resumedUs, target: to },
        ...fall(draw, LEADER, cutUs, resumedUs + timeouts(draw, [0.5, 1])),
      ];
    }),
} as const satisfies Record<string, Plot>;

export type PlotName = keyof typeof plots;

/**
 * The leader has its quorum by one member, by which the other half, that is promised nothing any more, has one as well. Then
 * the leader is cut off: it is that one's promise alone that has to hold.
 */
function brokenBridge(
  draw: Draw,
  fromUs: number,
): { readonly bridge: MemberId; readonly brokenUs: number; readonly faults: readonly Fault[] } {
  const [leader, bridge, ...others] = draw.shuffled(draw.members) as [MemberId, MemberId, ...MemberId[]];
  const left = [leader, ...others.slice(0, Math.floor((others.length - 1) / 2))];
  const atUs = fromUs + timeouts(draw, TO_BE_ELECTED);
  const brokenUs = atUs + timeouts(draw, [1.1, 1.3]);
  const untilUs = brokenUs + timeouts(draw, [1, 1.3]);
  return {
    bridge,
    brokenUs,
    faults: [
      { kind: "leadership_transfer", atUs: fromUs, to: leader },
      { kind: "bridge", atUs, untilUs, bridge, left },
      ...fall(draw, leader, brokenUs, untilUs),
    ],
  };
}

/**
 * It is cut off, and stands still before it has stood down for want of a quorum: it knows nothing of all that until it goes on,
 * and what it goes by then is its clock.
 */
function fall(draw: Draw, target: Target, atUs: number, untilUs: number): readonly Fault[] {
  return [
    { kind: "isolation", atUs, untilUs, target },
    { kind: "pause", atUs: atUs + timeouts(draw, [0, 0.4]), untilUs, target },
  ];
}

/** As often as the storm has room for the whole of it. */
function again({ storm }: Draw, begun: (fromUs: number) => readonly Fault[]): readonly Fault[] {
  const faults: Fault[] = [];
  for (let fromUs = storm.atUs; ; ) {
    const next = begun(fromUs);
    fromUs = Math.max(...next.map(endOf)) + 1;
    if (fromUs > storm.untilUs) return faults;
    faults.push(...next);
  }
}

function timeouts(draw: Draw, [min, max]: readonly [number, number]): number {
  return draw.whole(Math.floor(min * draw.electionTimeoutUs), Math.floor(max * draw.electionTimeoutUs));
}
