import { describe, expect, it } from "@jest/globals";
import { seededRandom } from "@quorate/services/std";
import type { SeatCondition } from "../world-contract";
import type { Fault } from "./fault";
import { Run, rolesAt, SECOND_US, scheduleOf } from "./rig";
import { drawSchedule } from "./schedule";

const SEED = 5;

function lasting(fromS: number, untilS: number): { readonly atUs: number; readonly untilUs: number } {
  return { atUs: fromS * SECOND_US, untilUs: untilS * SECOND_US };
}

async function runOf(faults: readonly Fault[], watch: (run: Run) => void, untilS = 20): Promise<Run> {
  const run = new Run(SEED, scheduleOf(faults));
  watch(run);
  await run.until(untilS);
  return run;
}

describe("faults that overlap", () => {
  it("turn a clock both, and the end of one leaves the other", async () => {
    const rates: number[] = [];
    await runOf(
      [
        { kind: "clock_drift", ...lasting(5, 9), member: "n1", rate: 2 },
        { kind: "clock_drift", ...lasting(6, 8), member: "n1", rate: 0.5 },
        { kind: "frozen_clock", ...lasting(7, 10), target: "n1" },
      ],
      (run) => {
        for (const second of [5.5, 6.5, 7.5, 8.5, 9.5, 10.5]) {
          run.at(second, (world) => rates.push(world.seat("n1").clock.rate));
        }
      },
    );
    expect(rates).toEqual([2, 1, 0, 0, 0, 1]);
  });

  it("slow a disk as the slower of them says", async () => {
    const means: number[] = [];
    await runOf(
      [
        { kind: "slow_disk", ...lasting(5, 9), target: "n1", writeMeanUs: 30_000 },
        { kind: "slow_disk", ...lasting(6, 7), target: "n1", writeMeanUs: 90_000 },
      ],
      (run) => {
        for (const second of [4, 5.5, 6.5, 8, 10]) {
          run.at(second, (world) => means.push(world.seat("n1").disk.writeMeanUs));
        }
      },
    );
    const [trueMean] = means as [number];
    expect(means).toEqual([trueMean, 30_000, 90_000, 30_000, trueMean]);
  });

  it("break a link until the last of them is over", async () => {
    const { leader, followers } = await rolesAt(4.999, SEED, { nodes: 3, latencyMeanMs: 0 });
    const link = { from: leader, to: followers[0]! };
    const run = await runOf(
      [
        { kind: "half_open", ...lasting(5, 8), direction: link },
        { kind: "isolation", ...lasting(6, 7), target: leader },
        { kind: "stuck_connect", ...lasting(6.5, 9), direction: link },
      ],
      () => undefined,
    );
    expect(run.sentWithin(5, 9, link).flatMap(({ deliveredUs }) => deliveredUs)).toEqual([]);
    const other = { from: leader, to: followers[1]! };
    expect(run.sentWithin(7.1, 8, other).flatMap(({ deliveredUs }) => deliveredUs).length).toBeGreaterThan(0);
  });

  it("keep a process down until the last of them is over", async () => {
    const run = await runOf(
      [
        { kind: "crash", atUs: 5 * SECOND_US, target: "n1", downUs: 1 * SECOND_US },
        { kind: "crash", atUs: 5.5 * SECOND_US, target: "n1", downUs: 2 * SECOND_US },
      ],
      () => undefined,
    );
    expect(run.momentsOf("started", "n1").map(({ atUs }) => atUs / SECOND_US)).toEqual([0, 7.5]);
  });

  it("keep a process paused until the last of them is over", async () => {
    const conditions: string[] = [];
    await runOf(
      [
        { kind: "pause", ...lasting(5, 7), target: "n1" },
        { kind: "pause", ...lasting(6, 9), target: "n1" },
      ],
      (run) => {
        for (const second of [4, 6.5, 8, 10])
          run.at(second, (world) => conditions.push(world.seat("n1").condition));
      },
    );
    expect(conditions).toEqual(["up", "paused", "paused", "up"]);
  });

  it("may crash a process that is paused, which then comes back running", async () => {
    const run = await runOf(
      [
        { kind: "pause", ...lasting(5, 9), target: "n1" },
        { kind: "crash", atUs: 6 * SECOND_US, target: "n1", downUs: SECOND_US },
      ],
      (run) => run.at(8, (world) => expect(world.seat("n1").condition).toBe("up")),
    );
    expect(run.momentsOf("started", "n1").map(({ atUs }) => atUs / SECOND_US)).toEqual([0, 7]);
  });
});

describe("healing", () => {
  it("ends whatever is under way at any moment, and nothing comes after it", async () => {
    for (let seed = 0; seed < 6; seed += 1) {
      const schedule = drawSchedule(seededRandom(seed), {
        nodes: 3 + 2 * (seed % 2),
        profile: "swarm",
        durationUs: 40 * SECOND_US,
      });
      const run = new Run(seed, schedule);
      const healedS = 6 + seed;
      run.at(healedS, () => run.attack.heal());
      await run.until(healedS + 15);
      const { seats } = run.world;
      const up = seats.filter(({ condition }) => condition === "up");
      const atRest: readonly SeatCondition[] = ["up", "refused", "vacant", "removed"];
      expect(seats.filter(({ condition }) => !atRest.includes(condition))).toEqual([]);
      const { voters } = run.world.membership.configuration;
      const voting = up.filter(({ id }) => voters.includes(id));
      expect(voting.length).toBeGreaterThan(voters.length / 2);
      expect(up.filter(({ replica }) => replica?.isLeader)).toHaveLength(1);
      const since = run.moments.filter(({ what, atUs }) => what === "crashed" && atUs > healedS * SECOND_US);
      expect(since).toEqual([]);
      const ids = new Set(up.map(({ id }) => id));
      const late = run
        .sentWithin(healedS + 5, healedS + 14)
        .filter(({ message }) => ids.has(message.from) && ids.has(message.to));
      expect(late.filter(({ deliveredUs }) => deliveredUs.length !== 1)).toEqual([]);
    }
  });

  it("ends what is to come amid a write that is under way", async () => {
    const { leader } = await rolesAt(4.999, SEED, { nodes: 3, latencyMeanMs: 0 });
    const slow = { kind: "slow_disk", ...lasting(5, 30), target: leader, writeMeanUs: SECOND_US } as const;
    const torn = {
      kind: "torn_write",
      ...lasting(5, 30),
      target: leader,
      disk: "log",
      skip: 0,
      downUs: SECOND_US,
    } as const;
    const began: number[] = [];
    const toldAt = async (healedUs: number | null): Promise<readonly number[]> => {
      const run = new Run(SEED, scheduleOf([slow, torn]));
      if (healedUs !== null) run.at(healedUs / SECOND_US, () => run.attack.heal());
      await run.until(20);
      const writes = run.momentsOf("appending", leader).filter(({ atUs }) => atUs > 5 * SECOND_US);
      began.push(writes[0]!.atUs);
      return run.moments.filter(({ what }) => what === "crashed").map(({ atUs }) => atUs);
    };
    const [crashedUs] = await toldAt(null);
    expect(crashedUs).toBeGreaterThan(began[0]! + 1);
    expect(await toldAt(began[0]! + 1)).toEqual([]);
  });

  it("is safe twice", async () => {
    const run = new Run(SEED, scheduleOf([{ kind: "isolation", ...lasting(5, 9), target: "n1" }]));
    run.at(6, () => run.attack.heal());
    run.at(7, () => run.attack.heal());
    await run.until(12);
    expect(run.world.seats.filter(({ replica }) => replica?.isLeader)).toHaveLength(1);
  });
});
