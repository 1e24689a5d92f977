import { describe, expect, it } from "@jest/globals";
import { appliedAnswer, put, ReplicaRig } from "./replica-rig";

/** Leads from the next turn on, before any tick. */
async function handOver(rig: ReplicaRig, to: string): Promise<void> {
  const leader = await rig.elect();
  // Everyone has heard of it, and has all that it has.
  await rig.tick(3);
  const transfer = leader.transferLeadership(to);
  await rig.settle();
  expect((await transfer).kind).toBe("transferred");
  expect(rig.replica(to).isLeader).toBe(true);
}

describe("space", () => {
  it("E8: writes are refused while a majority is low on it, and taken once it is not", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    for (const { replica } of rig.seats) if (replica !== leader) replica?.setLowOnSpace(true);
    // With the next heartbeat they tell, and the tick after looks.
    await rig.tick(2);
    expect(await leader.submit(put("a", "1"))).toMatchObject({ kind: "not_applied", reason: "no_space" });
    for (const { replica } of rig.seats) replica?.setLowOnSpace(false);
    await rig.tick(2);
    const taken = leader.submit(put("a", "2"));
    await rig.settle();
    appliedAnswer(await taken);
  });

  it.each([
    [
      "that stood down for want of a majority",
      async (rig: ReplicaRig, leader: string) => {
        rig.isolate(leader);
        for (let ticks = 0; rig.replica(leader).isLeader && ticks < 100; ticks += 1) await rig.tick();
        rig.heal();
      },
    ],
    [
      "that led when there was none",
      async (rig: ReplicaRig, leader: string) => {
        for (const { id, replica } of rig.seats) if (id !== leader) replica?.setLowOnSpace(true);
        await rig.tick(2);
        expect(rig.replica(leader).status().hasSpace).toBe(false);
        for (const { replica } of rig.seats) replica?.setLowOnSpace(false);
        const other = rig.seats.find(({ id }) => id !== leader)!.id;
        await handOver(rig, other);
      },
    ],
  ] as const)("E8: a leader %s takes writes at once when it leads again", async (_, loseLead) => {
    const rig = new ReplicaRig(3);
    const { id } = await rig.elect();
    await loseLead(rig, id);
    expect(rig.replica(id).isLeader).toBe(false);
    await handOver(rig, id);
    const taken = rig.replica(id).submit(put("a", "1"));
    await rig.settle();
    appliedAnswer(await taken);
  });
});
