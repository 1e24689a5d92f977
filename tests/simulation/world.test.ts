import { describe, expect, it } from "@jest/globals";
import { encodeCommand, putCommand } from "@quorate/services/kv";
import type { SubmitOutcome } from "@quorate/services/replica";
import { utf8Encode } from "@quorate/services/std";
import { Trace } from "./world/trace";
import { SimulatedWorld } from "./world/world";

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

async function put(world: SimulatedWorld, id: string, key: string, value: string): Promise<SubmitOutcome> {
  let outcome: SubmitOutcome | null = null;
  world.call(id, (replica) => {
    const command = putCommand(
      { namespace: "", requestId: null, wallTimeMs: 0 },
      {
        key: utf8Encode(key),
        value: utf8Encode(value),
        leaseId: 0n,
        returnPrevious: false,
        expectedModRevision: null,
      },
    );
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
    const applied = world.seats.map((seat) => seat.replica?.status().appliedIndex);
    expect(new Set(applied).size).toBe(1);
  });
});
