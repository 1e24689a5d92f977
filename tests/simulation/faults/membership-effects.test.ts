import { describe, expect, it } from "@jest/globals";
import {
  type EffectCase,
  type EffectCases,
  expectEffect,
  instant,
  type MembershipFaultKind,
  window,
} from "./effect-case";
import type { Fault, FaultKind } from "./fault";
import { type Run, SECOND_US } from "./rig";

/** Who takes part in the end: voters, then learners. */
function members(run: Run): string {
  const { voters, votersOutgoing, learners } = run.world.membership.configuration;
  return [voters, votersOutgoing, learners].map((list) => [...list].sort().join(" ")).join(" | ");
}

function conditionAt(run: Run, second: number, member: string, condition: string): void {
  run.at(second, (world) => expect(world.seat(member).condition).toBe(condition));
}

const joining: Fault = { kind: "member_add", ...instant, member: "n4", promotes: true, joinsInUs: 0 };
const learning: Fault = { ...joining, promotes: false };

const cases: EffectCases<MembershipFaultKind> = {
  member_add: {
    fault: () => ({ kind: "member_add", ...instant, member: "n4", promotes: true, joinsInUs: 2_000_000 }),
    watch: (run) => {
      conditionAt(run, 6.9, "n4", "vacant");
      conditionAt(run, 10, "n4", "up");
    },
    shows: (run) => expect(members(run)).toBe("n1 n2 n3 n4 |  | "),
  },
  member_promote: {
    fault: () => ({ kind: "member_promote", atUs: 8 * SECOND_US, member: "n4" }),
    besides: () => [learning],
    watch: (run) => run.at(7.9, () => expect(members(run)).toBe("n1 n2 n3 |  | n4")),
    shows: (run) => expect(members(run)).toBe("n1 n2 n3 n4 |  | "),
  },
  member_remove: {
    fault: ({ leader }) => ({ kind: "member_remove", ...instant, target: leader }),
    shows: (run, { leader, followers }) => {
      expect(members(run)).toBe(`${followers.join(" ")} |  | `);
      expect(run.leaders.at(-1)!.id).not.toBe(leader);
      expect(run.world.counts.removals).toBeLessThanOrEqual(1);
    },
  },
  member_replace: {
    fault: ({ followers }) => ({
      kind: "member_replace",
      ...instant,
      member: "n4",
      target: followers[0]!,
      joinsInUs: 0,
    }),
    shows: (run, { leader, followers }) => {
      expect(members(run)).toBe(`${[leader, followers[1], "n4"].sort().join(" ")} |  | `);
    },
  },
  member_recover: {
    fault: ({ followers }) => ({ kind: "member_recover", atUs: 8 * SECOND_US, member: followers[0]! }),
    besides: ({ followers }) => [
      { kind: "wiped_directory", ...instant, member: followers[0]!, downUs: 1_000_000 },
    ],
    watch: (run, { followers }) => conditionAt(run, 7.9, followers[0]!, "refused"),
    shows: (run, { followers }) => {
      const { condition, isStrange } = run.world.seat(followers[0]!);
      expect([members(run), condition, isStrange]).toEqual(["n1 n2 n3 |  | ", "up", false]);
    },
  },
  member_changes: {
    fault: ({ followers }) => ({
      kind: "member_changes",
      atUs: 8 * SECOND_US,
      changes: [
        { kind: "voter", memberId: "n4" },
        { kind: "remove", memberId: followers[0]! },
      ],
    }),
    besides: () => [learning],
    shows: (run, { leader, followers }) => {
      expect(members(run)).toBe(`${[leader, followers[1], "n4"].sort().join(" ")} |  | `);
      // One that adds a learner, one that is joint, one that leaves it.
      expect(run.world.membership.epoch).toBe(3);
    },
  },
  member_priority: {
    fault: ({ followers }) => ({ kind: "member_priority", ...instant, target: followers[1]!, priority: 500 }),
    shows: (run, { followers }) => expect(run.leaders.at(-1)!.id).toBe(followers[1]),
  },
  member_move: {
    fault: ({ followers }) => ({ kind: "member_move", ...instant, target: followers[0]! }),
    shows: (run, { followers }) => {
      const [moved] = run.world.membership.members.filter(({ memberId }) => memberId === followers[0]);
      expect(moved).toMatchObject(run.world.seat(followers[0]!).addresses);
      expect(moved!.peerAddress).toContain("8001");
    },
  },
  snapshot: {
    fault: ({ leader }) => ({ kind: "snapshot", ...instant, target: leader }),
    watch: (run, { leader }) => {
      for (const [second, isCut] of [
        [4.99, false],
        [5.1, true],
      ] as const) {
        run.at(second, (world) => expect(world.seat(leader).logDisk.after.index > 0).toBe(isCut));
      }
    },
    shows: (run, { leader }) => expect(run.lines.join("")).toContain(`snapshot of ${leader}: `),
  },
  image_break: {
    fault: () => ({ kind: "image_break", ...window, probability: 1 }),
    besides: () => [joining],
    watch: (run) => conditionAt(run, 9.9, "n4", "bringing"),
    shows: (run) => expect(members(run)).toBe("n1 n2 n3 n4 |  | "),
  },
  image_stall: {
    fault: () => ({ kind: "image_stall", ...window, chunk: 1 }),
    besides: () => [joining],
    watch: (run) => {
      conditionAt(run, 9.9, "n4", "bringing");
      // It goes on where it stood.
      conditionAt(run, 10.2, "n4", "up");
    },
    shows: (run) => expect(members(run)).toBe("n1 n2 n3 n4 |  | "),
  },
  image_damage: {
    fault: () => ({ kind: "image_damage", ...window, probability: 1 }),
    besides: () => [joining],
    watch: (run) => conditionAt(run, 9.9, "n4", "bringing"),
    shows: (run) => expect(members(run)).toBe("n1 n2 n3 n4 |  | "),
  },
};

describe("members and snapshots on a world", () => {
  it.each(Object.keys(cases) as MembershipFaultKind[])(
    "K2: %s has its effect, and is over when all is healed",
    (kind) => expectEffect(kind, cases[kind] as EffectCase<FaultKind>),
  );
});
