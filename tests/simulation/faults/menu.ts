import type { Draw } from "./draw";
import type { CrashPoint, DiskName, FaultKind, FaultOf } from "./fault";
import { without } from "./links";

const MS = 1000;

const crashPoints = [
  "before_log_append",
  "during_log_append",
  "after_log_append",
  "before_state_write",
  "during_state_write",
  "after_state_write",
  "before_send",
  "after_send",
  "before_image_put",
  "before_image_complete",
  "before_install",
  "during_install",
  "after_install",
] as const satisfies readonly CrashPoint[];

const disks = ["log", "state"] as const satisfies readonly DiskName[];

/** How a fault of each kind is drawn: bounds are in election timeouts where the protocol's own time matters. */
export const menu: { readonly [Kind in FaultKind]: (draw: Draw) => FaultOf<Kind> } = {
  loss: (draw) => ({
    kind: "loss",
    ...long(draw),
    probability: draw.intense(0.01, 0.5),
    direction: draw.someDirection(),
  }),
  duplication: (draw) => ({
    kind: "duplication",
    ...long(draw),
    probability: draw.intense(0.01, 0.6),
    copies: draw.whole(1, 3),
    direction: draw.someDirection(),
  }),
  reordering: (draw) => ({
    kind: "reordering",
    ...long(draw),
    probability: draw.intense(0.01, 0.7),
    backMsMax: draw.whole(2, Math.max(2, draw.electionTimeoutUs / MS)),
    direction: draw.someDirection(),
  }),
  exponential_delay: (draw) => ({
    kind: "exponential_delay",
    ...long(draw),
    meanMs: draw.intense(0.5, (0.4 * draw.electionTimeoutUs) / MS),
    direction: draw.someDirection(),
  }),
  clog: (draw) => ({ kind: "clog", ...short(draw), direction: draw.direction() }),
  one_way_partition: (draw) => {
    const from = draw.minority();
    const sides = { from, to: without(draw.members, from) };
    const turned = draw.chance(0.5) ? { from: sides.to, to: sides.from } : sides;
    return { kind: "one_way_partition", ...long(draw), ...turned };
  },
  isolation: (draw) => ({ kind: "isolation", ...long(draw), target: draw.target() }),
  majority_split: (draw) => ({ kind: "majority_split", ...long(draw), minority: draw.minority() }),
  ring: (draw) => ({
    kind: "ring",
    ...short(draw),
    order: draw.shuffled(draw.members),
    // A ring of three that goes both ways is whole.
    isOneWay: draw.members.length === 3 || draw.chance(0.4),
  }),
  bridge: (draw) => {
    const [bridge, ...others] = draw.shuffled(draw.members);
    return {
      kind: "bridge",
      ...long(draw),
      bridge: bridge!,
      left: others.slice(0, Math.floor(others.length / 2)),
    };
  },
  swizzle: (draw) => {
    const window = long(draw);
    const { atUs, untilUs } = window;
    const middleUs = atUs + Math.floor((untilUs - atUs) / 2);
    const members = draw.shuffled(draw.members).slice(0, draw.whole(1, draw.members.length));
    return {
      kind: "swizzle",
      ...window,
      clogs: members.map((member) => ({
        member,
        atUs: draw.whole(atUs, middleUs),
        untilUs: draw.whole(middleUs, untilUs),
      })),
    };
  },
  stream_reset: (draw) => ({ kind: "stream_reset", ...draw.instant(), direction: draw.direction() }),
  half_open: (draw) => ({ kind: "half_open", ...long(draw), direction: draw.direction() }),
  stuck_connect: (draw) => ({ kind: "stuck_connect", ...long(draw), direction: draw.direction() }),

  image_break: (draw) => ({ kind: "image_break", ...long(draw), probability: draw.intense(0.02, 0.6) }),
  image_stall: (draw) => ({ kind: "image_stall", ...long(draw), chunk: draw.whole(1, 8) }),
  image_damage: (draw) => ({ kind: "image_damage", ...long(draw), probability: draw.intense(0.02, 0.6) }),

  crash: (draw) => ({ kind: "crash", ...draw.instant(), target: draw.target(), downUs: draw.downUs() }),
  crash_at: (draw) => ({
    kind: "crash_at",
    ...short(draw),
    target: draw.target(),
    point: draw.pick(crashPoints),
    skip: draw.whole(0, 20),
    downUs: draw.downUs(),
  }),
  crash_loop: (draw) => ({
    kind: "crash_loop",
    ...long(draw),
    target: draw.target(),
    upUs: draw.whole(5 * MS, 2 * draw.electionTimeoutUs),
    downUs: draw.whole(5 * MS, draw.electionTimeoutUs),
  }),
  crash_all: (draw) => ({
    kind: "crash_all",
    ...draw.instant(),
    downUs: draw.downUs(),
    apartUs: draw.whole(0, draw.electionTimeoutUs),
  }),
  pause: (draw) => ({
    kind: "pause",
    ...draw.window(2 * draw.electionTimeoutUs, 5 * draw.electionTimeoutUs),
    target: draw.target(),
  }),
  stalls: (draw) => {
    const stallUs = draw.whole(50 * MS, 500 * MS);
    return {
      kind: "stalls",
      ...long(draw),
      target: draw.target(),
      stallUs,
      everyUs: stallUs + draw.whole(50 * MS, 1000 * MS),
    };
  },

  slow_disk: (draw) => ({
    kind: "slow_disk",
    ...long(draw),
    target: draw.target(),
    writeMeanUs: Math.ceil(draw.intense(1, (0.5 * draw.electionTimeoutUs) / MS) * MS),
  }),
  failed_fsync: (draw) => ({
    kind: "failed_fsync",
    ...draw.instant(),
    target: draw.target(),
    disk: draw.pick(disks),
  }),
  write_error: (draw) => ({
    kind: "write_error",
    ...draw.instant(),
    target: draw.target(),
    disk: draw.pick(disks),
  }),
  low_space: (draw) => ({
    kind: "low_space",
    ...long(draw),
    members: draw.shuffled(draw.members).slice(0, draw.whole(1, draw.members.length)),
  }),
  disk_full: (draw) => ({
    kind: "disk_full",
    ...long(draw),
    target: draw.target(),
    disk: draw.pick(disks),
  }),
  torn_write: (draw) => ({
    kind: "torn_write",
    ...short(draw),
    target: draw.target(),
    disk: draw.pick(disks),
    skip: draw.whole(0, 20),
    downUs: draw.downUs(),
  }),
  unsynced_loss: (draw) => ({
    kind: "unsynced_loss",
    ...short(draw),
    target: draw.target(),
    batches: draw.whole(1, 40),
    downUs: draw.downUs(),
  }),
  log_bit_flip: (draw) => ({ kind: "log_bit_flip", ...damage(draw) }),
  state_bit_flip: (draw) => ({ kind: "state_bit_flip", ...damage(draw) }),
  wiped_directory: (draw) => ({ kind: "wiped_directory", ...damage(draw) }),
  state_roll_back: (draw) => ({ kind: "state_roll_back", ...damage(draw) }),
  record_damage: (draw) => ({
    kind: "record_damage",
    ...draw.instant(),
    member: draw.pick(draw.victims),
    records: draw.whole(1, 4),
  }),

  clock_skew: (draw) => ({
    kind: "clock_skew",
    ...long(draw),
    member: draw.member(),
    offsetMs: draw.whole(-600_000, 600_000),
  }),
  clock_drift: (draw) => ({
    kind: "clock_drift",
    ...long(draw),
    member: draw.member(),
    rate: draw.chance(0.5) ? 1 + draw.intense(0.01, 1) : 1 - draw.intense(0.01, 0.6),
  }),
  clock_jump: (draw) => ({
    kind: "clock_jump",
    ...draw.instant(),
    member: draw.member(),
    byMs: (draw.chance(0.5) ? 1 : -1) * draw.whole(1, draw.pick([1000, 60_000, 86_400_000])),
  }),
  frozen_clock: (draw) => ({ kind: "frozen_clock", ...long(draw), target: draw.target() }),

  leadership_transfer: (draw) => ({ kind: "leadership_transfer", ...draw.instant(), to: draw.member() }),
  forced_campaign: (draw) => ({ kind: "forced_campaign", ...draw.instant(), member: draw.member() }),
  member_add: (draw) => ({
    kind: "member_add",
    ...draw.instant(),
    member: draw.newcomer(),
    promotes: draw.chance(0.6),
    joinsInUs: joinsInUs(draw),
  }),
  member_promote: (draw) => ({ kind: "member_promote", ...draw.instant(), member: draw.newcomer() }),
  member_remove: (draw) => ({ kind: "member_remove", ...draw.instant(), target: draw.target() }),
  member_replace: (draw) => ({
    kind: "member_replace",
    ...draw.instant(),
    member: draw.newcomer(),
    target: draw.target(),
    joinsInUs: joinsInUs(draw),
  }),
  member_recover: (draw) => ({ kind: "member_recover", ...draw.instant(), member: draw.pick(draw.victims) }),
  member_changes: (draw) => ({
    kind: "member_changes",
    ...draw.instant(),
    changes: draw
      .shuffled(draw.seats)
      .slice(0, draw.whole(2, 3))
      .map((memberId) => ({ kind: draw.pick(memberChanges), memberId })),
  }),
  member_priority: (draw) => ({
    kind: "member_priority",
    ...draw.instant(),
    target: draw.target(),
    priority: draw.pick([0, 50, 100, 500]),
  }),
  member_move: (draw) => ({ kind: "member_move", ...draw.instant(), target: draw.target() }),
  snapshot: (draw) => ({ kind: "snapshot", ...draw.instant(), target: draw.target() }),
};

const memberChanges = ["voter", "voter", "learner", "remove"] as const;

/** Mostly at once, sometimes so late that it is asked to vote before it is there. */
function joinsInUs(draw: Draw): number {
  return draw.chance(0.7) ? draw.whole(0, 500 * MS) : draw.whole(0, 10 * draw.electionTimeoutUs);
}

function long(draw: Draw): { readonly atUs: number; readonly untilUs: number } {
  return draw.window(0.5 * draw.electionTimeoutUs, 10 * draw.electionTimeoutUs);
}

function short(draw: Draw): { readonly atUs: number; readonly untilUs: number } {
  return draw.window(0.2 * draw.electionTimeoutUs, 3 * draw.electionTimeoutUs);
}

function damage(draw: Draw): { readonly atUs: number; readonly member: string; readonly downUs: number } {
  return { ...draw.instant(), member: draw.pick(draw.victims), downUs: draw.downUs() };
}
