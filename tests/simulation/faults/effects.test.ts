import { describe, expect, it } from "@jest/globals";
import type { Direction } from "@quorate/services/faults";
import {
  type EffectCase,
  type EffectCases,
  expectEffect,
  instant,
  type MembershipFaultKind,
  window,
} from "./effect-case";
import {
  expectGoneFor,
  expectNewLeader,
  expectSilence,
  expectTraffic,
  firstLink,
  includes,
  lastWriteAtCrash,
  lost,
  overtaken,
} from "./evidence";
import { type FaultKind, LEADER } from "./fault";
import { allDirections, ringLinks, splitLinks } from "./links";
import { SECOND_US } from "./rig";
import { memberIds } from "./schedule";

/** Those that need members that come and go are in membership-effects.test.ts. */
const cases: EffectCases<Exclude<FaultKind, MembershipFaultKind>> = {
  loss: {
    fault: () => ({ kind: "loss", ...window, probability: 0.5, direction: null }),
    shows: (run) => {
      const sent = run.sentWithin(5, 10);
      expect(lost(sent) / sent.length).toBeGreaterThan(0.3);
      expect(lost(run.sentWithin(11, 14))).toBe(0);
    },
  },
  duplication: {
    fault: (roles) => ({
      kind: "duplication",
      ...window,
      probability: 1,
      copies: 2,
      direction: firstLink(roles),
    }),
    shows: (run, roles) => {
      for (const { deliveredUs } of run.sentWithin(5, 10, firstLink(roles)))
        expect(deliveredUs).toHaveLength(3);
      for (const { deliveredUs } of run.sentWithin(11, 14)) expect(deliveredUs).toHaveLength(1);
    },
  },
  reordering: {
    fault: () => ({ kind: "reordering", ...window, probability: 0.5, backMsMax: 400, direction: null }),
    shows: (run) => {
      expect(overtaken(run.sentWithin(5, 10))).toBeGreaterThan(3);
      expect(overtaken(run.sentWithin(11, 14))).toBe(0);
    },
  },
  exponential_delay: {
    fault: () => ({ kind: "exponential_delay", ...window, meanMs: 100, direction: null }),
    shows: (run) => {
      const delays = run
        .sentWithin(5, 9)
        .flatMap(({ sentUs, deliveredUs }) => deliveredUs.map((atUs) => (atUs - sentUs) / 1000));
      const meanMs = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
      expect(meanMs).toBeGreaterThan(70);
      expect(meanMs).toBeLessThan(140);
    },
  },
  clog: {
    fault: (roles) => ({ kind: "clog", ...window, direction: firstLink(roles) }),
    shows: (run, roles) => {
      const arrivals = run.sentWithin(5, 10, firstLink(roles)).flatMap(({ deliveredUs }) => deliveredUs);
      expect(arrivals.length).toBeGreaterThan(5);
      expect(Math.min(...arrivals)).toBeGreaterThanOrEqual(10 * SECOND_US);
    },
  },
  one_way_partition: {
    fault: ({ leader, followers }) => ({
      kind: "one_way_partition",
      ...window,
      from: [leader],
      to: followers,
    }),
    shows: (run, roles) => {
      const { leader, followers } = roles;
      expectSilence(
        run,
        followers.map((to) => ({ from: leader, to })),
      );
      expectTraffic(
        run,
        followers.map((from) => ({ from, to: leader })),
        5,
        10,
      );
      expectNewLeader(run, roles);
      const terms = run.leaders.map(({ term }) => term);
      expect(new Set(terms).size).toBe(terms.length);
    },
  },
  isolation: {
    fault: () => ({ kind: "isolation", ...window, target: LEADER }),
    shows: (run, roles) => {
      const links = allDirections([roles.leader, ...roles.followers]);
      expectSilence(
        run,
        links.filter(({ from, to }) => from === roles.leader || to === roles.leader),
      );
      expectNewLeader(run, roles);
      expectTraffic(
        run,
        links.filter(({ to }) => to === roles.leader),
      );
    },
  },
  majority_split: {
    nodes: 5,
    fault: ({ leader, followers }) => ({
      kind: "majority_split",
      ...window,
      minority: [leader, followers[0]!],
    }),
    shows: (run, roles) => {
      const [near, ...far] = roles.followers;
      for (const member of [roles.leader, near!]) {
        expectSilence(
          run,
          far.flatMap((other) => [
            { from: member, to: other },
            { from: other, to: member },
          ]),
        );
      }
      expectNewLeader(run, roles);
    },
  },
  ring: {
    nodes: 5,
    fault: () => ({ kind: "ring", ...window, order: memberIds(5), isOneWay: false }),
    shows: (run) => {
      const across = ringLinks(memberIds(5), false);
      expect(across).toHaveLength(10);
      expectSilence(run, across);
      expectTraffic(
        run,
        allDirections(memberIds(5)).filter((link) => !includes(across, link)),
        5,
        10,
      );
    },
  },
  bridge: {
    nodes: 5,
    fault: ({ leader, followers }) => ({
      kind: "bridge",
      ...window,
      bridge: followers[0]!,
      left: [leader, followers[1]!],
    }),
    shows: (run, { leader, followers }) => {
      const [bridge, near, ...right] = followers as [string, string, ...string[]];
      const left = [leader, near];
      expectSilence(run, splitLinks(left, right));
      expectTraffic(run, splitLinks([bridge], left), 5, 10);
      expectTraffic(run, splitLinks([bridge], right), 5, 10);
    },
  },
  swizzle: {
    fault: ({ leader, followers }) => ({
      kind: "swizzle",
      ...window,
      clogs: [
        { member: leader, atUs: 5 * SECOND_US, untilUs: 9 * SECOND_US },
        { member: followers[0]!, atUs: 6 * SECOND_US, untilUs: 8 * SECOND_US },
      ],
    }),
    shows: (run, { leader, followers }) => {
      const arrivals = (fromS: number, untilS: number, link: Direction) =>
        run.sentWithin(fromS, untilS, link).flatMap(({ deliveredUs }) => deliveredUs);
      const [first, second] = followers as [string, string];
      expect(Math.min(...arrivals(5, 9, { from: leader, to: second }))).toBeGreaterThanOrEqual(9 * SECOND_US);
      expect(Math.min(...arrivals(6, 8, { from: second, to: first }))).toBeGreaterThanOrEqual(8 * SECOND_US);
    },
  },
  stream_reset: {
    latencyMeanMs: 300,
    fault: (roles) => ({ kind: "stream_reset", ...instant, direction: firstLink(roles) }),
    shows: (run, roles) => {
      expect(lost(run.sentWithin(0, 5, firstLink(roles)))).toBeGreaterThan(0);
      expect(lost(run.sentWithin(5, 14, firstLink(roles)))).toBe(0);
    },
  },
  half_open: {
    fault: (roles) => ({ kind: "half_open", ...window, direction: firstLink(roles) }),
    watch: (run, { leader, followers }) => {
      run.at(5.5, ({ seats }) => {
        const progress = seats.find(({ id }) => id === leader)?.replica?.status().raft.progress;
        expect(progress?.find(({ id }) => id === followers[0])?.state).toBe("replicate");
      });
    },
    shows: (run, roles) => {
      expectSilence(run, [firstLink(roles)]);
      expectTraffic(run, [firstLink(roles)]);
    },
  },
  stuck_connect: {
    fault: (roles) => ({ kind: "stuck_connect", ...window, direction: firstLink(roles) }),
    watch: (run, { leader, followers }) => {
      run.at(6.5, ({ seats }) => {
        const progress = seats.find(({ id }) => id === leader)?.replica?.status().raft.progress;
        expect(progress?.find(({ id }) => id === followers[0])?.state).toBe("probe");
      });
    },
    shows: (run, roles) => {
      expectSilence(run, [firstLink(roles)]);
      expectTraffic(run, [firstLink(roles)]);
    },
  },

  crash: {
    fault: () => ({ kind: "crash", ...instant, target: LEADER, downUs: 700_000 }),
    shows: (run, { leader }) => {
      expect(run.momentsOf("crashed", leader).map(({ atUs }) => atUs)).toEqual([5 * SECOND_US]);
      expectGoneFor(run, leader, 700_000);
    },
  },
  crash_at: {
    fault: () => ({
      kind: "crash_at",
      ...window,
      target: LEADER,
      point: "after_log_append",
      skip: 1,
      downUs: 700_000,
    }),
    shows: (run, { leader }) => {
      const crash = run.momentsOf("crashed", leader)[0]!;
      const after = run.momentsOf("appended", leader).filter(({ atUs }) => atUs >= 5 * SECOND_US);
      expect(after[1]!.atUs).toBe(crash.atUs);
      expectGoneFor(run, leader, 700_000);
    },
  },
  crash_loop: {
    fault: ({ followers }) => ({
      kind: "crash_loop",
      ...window,
      target: followers[0]!,
      upUs: 600_000,
      downUs: 400_000,
    }),
    shows: (run, { followers }) => {
      expect(run.momentsOf("crashed", followers[0]!).map(({ atUs }) => atUs / SECOND_US)).toEqual([
        5, 6, 7, 8, 9,
      ]);
      expect(run.momentsOf("started", followers[0]!)).toHaveLength(6);
    },
  },
  crash_all: {
    fault: () => ({ kind: "crash_all", ...instant, downUs: 300_000, apartUs: 100_000 }),
    shows: (run) => {
      const again = memberIds(3).map((id) => run.momentsOf("started", id)[1]!.atUs / SECOND_US);
      expect(again).toEqual([5.3, 5.4, 5.5]);
      // Two are a majority, and those that have just started need not wait for an election timeout.
      expect(run.leaders.some(({ atUs }) => atUs > 5.4 * SECOND_US)).toBe(true);
    },
  },
  pause: {
    fault: () => ({ kind: "pause", ...window, target: LEADER }),
    shows: (run, roles) => {
      expectNewLeader(run, roles);
      expect(run.sentWithin(5, 10).filter(({ message }) => message.from === roles.leader)).toEqual([]);
    },
  },
  stalls: {
    fault: ({ followers }) => ({
      kind: "stalls",
      ...window,
      target: followers[0]!,
      stallUs: 200_000,
      everyUs: 1_000_000,
    }),
    shows: (run, { followers }) => {
      expect(run.lines.filter((line) => line.includes(`${followers[0]} pauses`))).toHaveLength(5);
      expect(run.lines.filter((line) => line.includes(`${followers[0]} resumes`))).toHaveLength(5);
    },
  },

  low_space: {
    fault: ({ followers }) => ({ kind: "low_space", ...window, members: followers }),
    watch: (run, { leader }) => {
      const hasSpace: (boolean | undefined)[] = [];
      for (const second of [4.9, 6, 9.9, 11]) {
        run.at(second, (world) => hasSpace.push(world.seat(leader).replica?.status().hasSpace));
      }
      run.at(14, () => expect(hasSpace).toEqual([true, false, false, true]));
    },
    shows: (run) => expect(run.leaders.length).toBeGreaterThan(0),
  },
  slow_disk: {
    fault: () => ({ kind: "slow_disk", ...window, target: LEADER, writeMeanUs: 200_000 }),
    shows: (run, { leader }) => {
      const writeUs = (fromS: number, untilS: number): number => {
        const within = ({ atUs }: { atUs: number }) => atUs >= fromS * SECOND_US && atUs < untilS * SECOND_US;
        const begun = run.momentsOf("appending", leader).filter(within);
        const done = run.momentsOf("appended", leader);
        const times = begun.map(({ atUs }) => done.find((moment) => moment.atUs > atUs)!.atUs - atUs);
        return times.reduce((sum, time) => sum + time, 0) / times.length;
      };
      expect(writeUs(5, 9)).toBeGreaterThan(30_000);
      expect(writeUs(1, 5)).toBeLessThan(5_000);
      expect(writeUs(12, 19)).toBeLessThan(5_000);
    },
  },
  failed_fsync: {
    fault: () => ({ kind: "failed_fsync", ...instant, target: LEADER, disk: "log" }),
    shows: (run, { leader }) => {
      const { wanted, found } = lastWriteAtCrash(run, leader);
      expect(found).toBe(wanted);
      expect(run.momentsOf("started", leader)).toHaveLength(2);
    },
  },
  write_error: {
    fault: () => ({ kind: "write_error", ...instant, target: LEADER, disk: "log" }),
    shows: (run, { leader }) => {
      const { wanted, found } = lastWriteAtCrash(run, leader);
      expect(found).toBe(wanted - 1);
      expect(run.momentsOf("started", leader)).toHaveLength(2);
    },
  },
  disk_full: {
    fault: () => ({ kind: "disk_full", ...window, target: LEADER, disk: "log" }),
    shows: (run, { leader }) => {
      const crashes = run.momentsOf("crashed", leader);
      expect(crashes.length).toBeGreaterThan(1);
      expect(crashes.at(-1)!.atUs).toBeLessThanOrEqual(10 * SECOND_US);
      const appended = run.momentsOf("appended", leader).map(({ atUs }) => atUs);
      expect(appended.filter((atUs) => atUs > crashes[0]!.atUs && atUs < 10 * SECOND_US)).toEqual([]);
      expect(appended.some((atUs) => atUs > 10 * SECOND_US)).toBe(true);
    },
  },
  torn_write: {
    fault: () => ({ kind: "torn_write", ...window, target: LEADER, disk: "log", skip: 0, downUs: 300_000 }),
    shows: (run, { leader }) => {
      const { wanted, found } = lastWriteAtCrash(run, leader);
      expect([wanted - 1, wanted]).toContain(found);
      expectGoneFor(run, leader, 300_000);
    },
  },
  unsynced_loss: {
    fault: () => ({ kind: "unsynced_loss", ...window, target: LEADER, batches: 2, downUs: 300_000 }),
    shows: (run, { leader }) => {
      const crash = run.momentsOf("crashed", leader)[0]!;
      const written = run.momentsOf("stateWritten", leader).filter(({ atUs }) => atUs <= crash.atUs);
      expect(written.filter(({ atUs }) => atUs >= 5 * SECOND_US)).toHaveLength(2);
      expect(crash.appliedIndex).toBeLessThan(written.at(-1)!.appliedIndex);
    },
  },
  log_bit_flip: {
    fault: ({ followers }) => ({ kind: "log_bit_flip", ...instant, member: followers[0]!, downUs: 300_000 }),
    shows: (run, { followers }) => {
      expect(run.world.seat(followers[0]!).condition).toBe("refused");
      expect(run.momentsOf("started", followers[0]!)).toHaveLength(1);
    },
  },
  state_bit_flip: {
    fault: ({ followers }) => ({
      kind: "state_bit_flip",
      ...instant,
      member: followers[0]!,
      downUs: 300_000,
    }),
    shows: (run, { followers }) => {
      expect(run.lines.some((line) => line.includes(`${followers[0]} begins its state anew`))).toBe(true);
      expect(run.world.seat(followers[0]!).condition).toBe("up");
    },
  },
  wiped_directory: {
    fault: ({ followers }) => ({
      kind: "wiped_directory",
      ...instant,
      member: followers[0]!,
      downUs: 300_000,
    }),
    shows: (run, { leader, followers }) => {
      const [wiped, other] = followers as [string, string];
      expect(run.world.seat(wiped).condition).toBe("refused");
      const links = allDirections([leader, wiped, other]);
      const withWiped = links.filter(({ from, to }) => from === wiped || to === wiped);
      expect(lost(withWiped.flatMap((link) => run.sentWithin(6, 19, link)))).toBe(
        withWiped.flatMap((link) => run.sentWithin(6, 19, link)).length,
      );
      expectTraffic(run, [{ from: leader, to: other }]);
    },
  },
  state_roll_back: {
    fault: ({ followers }) => ({
      kind: "state_roll_back",
      ...instant,
      member: followers[0]!,
      downUs: 300_000,
    }),
    shows: (run, { followers }) => {
      const member = followers[0]!;
      const written = run.momentsOf("stateWritten", member).filter(({ atUs }) => atUs < 5 * SECOND_US);
      const start = run.momentsOf("started", member)[1]!;
      expect(start.appliedIndex).toBeLessThan(written.at(-1)!.appliedIndex);
      expect(run.world.seat(member).stateDisk.applied.index).toBeGreaterThan(written.at(-1)!.appliedIndex);
    },
  },

  record_damage: {
    // Nothing is there that could be damaged: what becomes of it where there is shows in world.test.ts.
    fault: ({ followers }) => ({ kind: "record_damage", ...instant, member: followers[0]!, records: 3 }),
    shows: (run, { followers }) => expect(run.world.seat(followers[0]!).damagedRecords).toEqual([]),
  },

  clock_skew: {
    fault: ({ leader }) => ({ kind: "clock_skew", ...window, member: leader, offsetMs: -3_600_000 }),
    watch: (run, { leader }) => {
      run.at(7, (world) => expect(world.seat(leader).clock.wallOffsetMs).toBe(-3_600_000));
      run.at(11, (world) => expect(world.seat(leader).clock.wallOffsetMs).toBe(0));
    },
    shows: (run) => expect(run.leaders).toHaveLength(1),
  },
  clock_drift: {
    fault: ({ leader }) => ({ kind: "clock_drift", ...window, member: leader, rate: 2 }),
    shows: (run, { leader, followers }) => {
      const heartbeats = (fromS: number, untilS: number): number =>
        run
          .sentWithin(fromS, untilS, { from: leader, to: followers[0]! })
          .filter(({ message }) => message.kind === "heartbeat").length;
      expect(heartbeats(6, 9)).toBeGreaterThan(1.8 * heartbeats(11, 14));
    },
  },
  clock_jump: {
    fault: ({ leader }) => ({ kind: "clock_jump", ...instant, member: leader, byMs: 86_400_000 }),
    watch: (run, { leader }) => {
      run.at(14, (world) => expect(world.seat(leader).clock.wallOffsetMs).toBe(86_400_000));
      run.at(16, (world) => expect(world.seat(leader).clock.wallOffsetMs).toBe(0));
    },
    shows: (run) => expect(run.leaders).toHaveLength(1),
  },
  frozen_clock: {
    fault: () => ({ kind: "frozen_clock", ...window, target: LEADER }),
    shows: (run, roles) => {
      const heartbeats = run.sentWithin(5.2, 10).filter(({ message }) => message.kind === "heartbeat");
      expect(heartbeats.filter(({ message }) => message.from === roles.leader)).toEqual([]);
      expectNewLeader(run, roles);
    },
  },

  leadership_transfer: {
    fault: ({ followers }) => ({ kind: "leadership_transfer", ...instant, to: followers[1]! }),
    shows: (run, { followers }) => {
      expect(run.leaders.map(({ id }) => id).at(1)).toBe(followers[1]);
      expect(run.leaders[1]!.atUs).toBeLessThan(5.2 * SECOND_US);
    },
  },
  forced_campaign: {
    fault: ({ followers }) => ({ kind: "forced_campaign", ...instant, member: followers[1]! }),
    shows: (run, { followers }) => {
      const votes = run.sentWithin(5, 5.1).filter(({ message }) => message.kind === "vote");
      expect(new Set(votes.map(({ message }) => message.from))).toEqual(new Set([followers[1]]));
    },
  },
};

describe("on a world", () => {
  it.each(Object.keys(cases) as (keyof typeof cases)[])(
    "K2: %s has its effect, and is over when all is healed",
    (kind) => expectEffect(kind, cases[kind] as EffectCase<FaultKind>),
  );
});
