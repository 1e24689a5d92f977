import { describe, expect, it } from "@jest/globals";
import { type Command, createNamespaceCommand, encodeCommand, putCommand } from "@quorate/services/kv";
import type { SubmitOutcome } from "@quorate/services/replica";
import { seededRandom, utf8Encode } from "@quorate/services/std";
import { EventTimeline } from "./world/timeline";
import { Trace } from "./world/trace";
import { SimulatedWorld } from "./world/world";
import { ARCHIVE_NAMESPACE } from "./world-contract";

const SECOND_US = 1_000_000;

function worldOf(seed: number, nodes = 3): { readonly world: SimulatedWorld; readonly lines: string[] } {
  const lines: string[] = [];
  const world = new SimulatedWorld({ seed, nodes, trace: new Trace((line) => lines.push(line)) });
  for (const seat of world.seats) world.start(seat.id);
  return { world, lines };
}

function leaderOf(world: SimulatedWorld): string | null {
  return world.seats.find((seat) => seat.condition === "up" && seat.replica?.isLeader)?.id ?? null;
}

async function elect(world: SimulatedWorld): Promise<string> {
  expect(await world.run(() => leaderOf(world) !== null, world.timeline.nowUs + 20 * SECOND_US)).toBe(true);
  return leaderOf(world) as string;
}

const ANYONE = { namespace: "", requestId: null, wallTimeMs: 0 };

function put(world: SimulatedWorld, id: string, key: string, value: string): Promise<SubmitOutcome> {
  const put = { key: utf8Encode(key), value: utf8Encode(value), leaseId: 0n };
  return write(world, id, putCommand(ANYONE, { ...put, returnPrevious: false, expectedModRevision: null }));
}

async function write(world: SimulatedWorld, id: string, command: Command): Promise<SubmitOutcome> {
  let outcome: SubmitOutcome | null = null;
  world.call(id, (replica) => {
    void replica.submit(encodeCommand(command)).then((settled) => {
      outcome = settled;
    });
  });
  await world.run(() => outcome !== null, world.timeline.nowUs + 10 * SECOND_US);
  return outcome as unknown as SubmitOutcome;
}

async function wait(world: SimulatedWorld, seconds: number): Promise<void> {
  await world.run(() => false, world.timeline.nowUs + seconds * SECOND_US);
}

function conditions(world: SimulatedWorld): string {
  const present = world.seats.filter(({ condition }) => condition !== "vacant");
  return present.map(({ condition }) => condition).join(" ");
}

/** A cluster that has written, with its leader and the followers. */
async function running(seed: number) {
  const { world, lines } = worldOf(seed);
  const leader = await elect(world);
  // Time enough for the store of every member to be recorded.
  await wait(world, 3);
  expect((await put(world, leader, "a", "1")).kind).toBe("applied");
  await wait(world, 1);
  const followers = world.seats.map(({ id }) => id).filter((id) => id !== leader);
  return { world, lines, leader, follower: followers[0] as string };
}

function appliedIndexes(world: SimulatedWorld): readonly (number | undefined)[] {
  const members = world.seats.filter(({ condition }) => condition !== "vacant");
  return members.map((seat) => seat.replica?.status().appliedIndex);
}

describe("the simulated world", () => {
  it("elects, commits and survives the crash of a leader", async () => {
    const { world } = worldOf(1);
    const first = await elect(world);
    expect((await put(world, first, "a", "1")).kind).toBe("applied");
    world.crash(first);
    await wait(world, 1);
    const second = await elect(world);
    expect(second).not.toBe(first);
    expect((await put(world, second, "a", "2")).kind).toBe("applied");
    world.start(first);
    await wait(world, 3);
    expect(new Set(appliedIndexes(world)).size).toBe(1);
  });

  it("lets a paused process stand still, and gives it all that came meanwhile at once", async () => {
    const { world, leader, follower } = await running(2);
    world.pause(follower);
    const before = world.seat(follower).replica?.status().raft.last.index ?? 0;
    let called = false;
    world.call(follower, () => {
      called = true;
    });
    expect((await put(world, leader, "a", "2")).kind).toBe("applied");
    await wait(world, 2);
    expect(world.seat(follower).replica?.status().raft.last.index).toBe(before);
    expect(called).toBe(false);
    world.resume(follower);
    await wait(world, 0.001);
    expect(called).toBe(true);
    expect(world.seat(follower).replica?.status().raft.last.index).toBeGreaterThan(before);
  });

  it("loses a write that a crash met before it took effect, and keeps one after", async () => {
    for (const moment of ["appending", "appended"] as const) {
      const { world, leader } = await running(3);
      const before = world.seat(leader).logDisk.lastIndex;
      let crashed = false;
      world.observe({
        [moment]: (seat: { id: string }, batch: { entries: readonly unknown[] }) => {
          if (crashed || seat.id !== leader || batch.entries.length === 0) return;
          crashed = true;
          world.crash(leader);
        },
      });
      void put(world, leader, "a", "2");
      await wait(world, 0.1);
      expect(world.seat(leader).replica).toBeNull();
      expect(world.seat(leader).logDisk.lastIndex - before).toBe(moment === "appending" ? 0 : 1);
    }
  });

  it("ends a process whose disk fails, and starts it again some time later", async () => {
    const { world, lines, leader } = await running(4);
    world.seat(leader).disk.failNextWrite("log", "lost");
    void put(world, leader, "a", "2");
    await wait(world, 0.05);
    expect(world.seat(leader).condition).toBe("down");
    await wait(world, 4);
    expect(conditions(world)).toBe("up up up");
    expect(lines.join("")).toContain(`${leader} ends: the write failed`);
    expect(world.counts).toMatchObject({ crashes: 1, starts: 4 });
  });

  it("refuses a wiped directory, whoever makes a voter's of it", async () => {
    const { world, leader, follower } = await running(5);
    world.crash(follower);
    world.wipe(follower);
    world.start(follower);
    await wait(world, 3);
    const stranger = world.seat(follower);
    expect(stranger).toMatchObject({ condition: "refused", storeId: `store-${follower}-2` });
    expect(stranger.replica?.status().raft.last.index).toBe(0);
    expect(leaderOf(world)).toBe(leader);
  });

  it("does not start on a wiped directory that some peer could take for the first one", async () => {
    const { world } = worldOf(6);
    world.crash("n2");
    world.wipe("n2");
    world.start("n2");
    expect(world.seat("n2")).toMatchObject({ condition: "refused", replica: null });
  });

  it("finds a damaged log at the next start, and rebuilds a damaged or an old state from the log", async () => {
    const { world, lines, leader, follower } = await running(7);
    const applied = world.seat(follower).stateDisk.applied.index;
    for (const damage of ["corruptState", "rollBackState"] as const) {
      world.crash(follower);
      world[damage](follower);
      world.start(follower);
      await wait(world, 2);
      expect(world.seat(follower).stateDisk.applied.index).toBeGreaterThan(applied);
    }
    expect(lines.join("")).toContain(`${follower} begins its state anew`);
    world.crash(follower);
    world.corruptLog(follower);
    world.start(follower);
    expect(world.seat(follower)).toMatchObject({ condition: "refused", replica: null });
    world.start(follower);
    expect(world.seat(follower).replica).toBeNull();
    expect(leaderOf(world)).toBe(leader);
  });

  it("ignores what does not fit a seat's condition", async () => {
    const { world, lines } = await running(8);
    const before = lines.length;
    for (const damage of [
      "start",
      "resume",
      "wipe",
      "corruptLog",
      "corruptState",
      "rollBackState",
    ] as const) {
      world[damage]("n1");
    }
    world.crash("n2");
    world.crash("n2");
    world.pause("n2");
    expect(conditions(world)).toBe("up down up");
    expect(lines.length).toBe(before + 1);
  });

  it("runs clocks at their own rate, and never backwards", async () => {
    const { world } = worldOf(9);
    const { clock } = world.seat("n1");
    const shown: number[] = [];
    for (const rate of [1, 2, 0, 0.5]) {
      clock.rate = rate;
      const fromMs = clock.monotonicMs();
      await wait(world, 1);
      shown.push(Math.round(clock.monotonicMs() - fromMs));
    }
    expect(shown).toEqual([1000, 2000, 0, 500]);
    const wallMs = clock.wallMs();
    clock.wallOffsetMs = -60_000;
    expect(clock.wallMs()).toBe(wallMs - 60_000);
  });

  it("gives each name a generator that others do not move", () => {
    const [first, second] = [worldOf(10).world, worldOf(10).world];
    first.random("one").nextUint32();
    expect(first.random("two").nextUint32()).toBe(second.random("two").nextUint32());
    expect(first.random("one").nextUint32()).not.toBe(second.random("one").nextUint32());
    expect(worldOf(11).world.random("two").nextUint32()).not.toBe(
      worldOf(10).world.random("two").nextUint32(),
    );
  });
});

describe("simulated time", () => {
  it("lets things happen in the order of their times, then in that asked for", () => {
    const timeline = new EventTimeline();
    const random = seededRandom(1);
    const times = Array.from({ length: 500 }, () => random.below(50));
    const ran: [number, number][] = [];
    for (const [asked, timeUs] of times.entries())
      timeline.at(timeUs, () => ran.push([timeline.nowUs, asked]));
    for (let event = timeline.next(40); event !== null; event = timeline.next(40)) event.run();
    expect(timeline.nowUs).toBe(40);
    for (let event = timeline.next(100); event !== null; event = timeline.next(100)) event.run();
    const expected = times
      .map((timeUs, asked): [number, number] => [timeUs, asked])
      .sort(([leftUs, left], [rightUs, right]) => leftUs - rightUs || left - right);
    expect(ran).toEqual(expected);
  });

  it("does not go back for what should have happened before", () => {
    const timeline = new EventTimeline();
    timeline.next(10);
    timeline.at(5, () => undefined);
    expect(timeline.next(20)?.timeUs).toBe(10);
  });
});

describe("members and records of the simulated world", () => {
  it("H5: a member whose record was damaged finds it by itself and puts it right", async () => {
    const { world, lines } = worldOf(4);
    const leader = await elect(world);
    const follower = world.seats.find(({ id }) => id !== leader)!.id;
    await write(world, leader, createNamespaceCommand(ANYONE, ARCHIVE_NAMESPACE));
    for (const key of ["k", "a long key ".repeat(20), "ключ"]) {
      const put = { key: utf8Encode(key), value: utf8Encode(`of ${key}`), leaseId: 0n };
      const command = { ...put, returnPrevious: false, expectedModRevision: null };
      await write(world, leader, putCommand({ ...ANYONE, namespace: ARCHIVE_NAMESPACE }, command));
    }
    await wait(world, 1);
    for (let at = 0; at < 6; at += 1) world.damageRecord(follower);
    // Some of them met the same record.
    const damages = world.seat(follower).damagedRecords.length;
    expect([damages > 1, world.counts.damages]).toEqual([true, damages]);
    expect(await world.run(() => world.seat(follower).damagedRecords.length === 0, 120 * SECOND_US)).toBe(
      true,
    );
    await wait(world, 1);
    expect(lines.join("")).toContain(`${follower} heals itself`);
  });

  it("G5: a seat joins with an empty directory and the state of a peer", async () => {
    const { world } = worldOf(3);
    const leader = await elect(world);
    await wait(world, 3);
    const memberId = "n4";
    let outcome = "";
    world.call(leader, (replica) => {
      const addresses = { clientAddress: "n4.example:7000", peerAddress: "n4.example:8000" };
      const how = { priority: 100, promoteWhenCaughtUp: true, replaces: null };
      void replica.changeMembership({ kind: "add", memberId, ...addresses, ...how }).then(({ kind }) => {
        outcome = kind;
      });
    });
    await wait(world, 1);
    expect([outcome, world.seat(memberId).condition]).toEqual(["changed", "vacant"]);
    world.join(memberId);
    await wait(world, 5);
    expect(world.membership.configuration.voters).toEqual(["n1", "n2", "n3", "n4"]);
    expect(world.seat(memberId).condition).toBe("up");
    expect(new Set(appliedIndexes(world)).size).toBe(1);
  });
});
