import { afterEach, describe, expect, test } from "@jest/globals";
import type { Replica } from "@quorate/services/replica";
import { appliedAnswer, put, ReplicaRig } from "./replica-rig";

const SHORT_LOG = { entriesMax: 20, bytesMax: 1_000_000, entriesKept: 5 };

let rig: ReplicaRig;

afterEach(async () => {
  for (const { replica } of rig.seats) await replica?.stop();
});

async function write(leader: Replica, count: number, prefix = "k"): Promise<void> {
  for (let at = 0; at < count; at += 1) {
    const outcome = leader.submit(put(`${prefix}${at}`, `${prefix}-${at}`));
    await rig.tick(1);
    appliedAnswer(await outcome);
  }
}

async function caughtUp(leader: Replica, id: string): Promise<void> {
  for (let tick = 0; tick < 200; tick += 1) {
    if (rig.replica(id).status().appliedIndex >= leader.status().raft.commit) return;
    await rig.tick();
  }
  throw new Error(`${id} has not caught up`);
}

/** A follower that needs a snapshot, and whose stream waits after its first chunk until it is let go. */
async function behind(): Promise<{ leader: Replica; id: string }> {
  rig = new ReplicaRig(3, {}, SHORT_LOG);
  const leader = await rig.elect();
  const { id } = rig.seats.find((seat) => seat.id !== leader.id)!;
  rig.isolate(id);
  await write(leader, 60);
  await leader.takeSnapshot();
  return { leader, id };
}

describe("an installed state", () => {
  test("may have applied more than the core has handed out to be applied", async () => {
    rig = new ReplicaRig(3, { committedBytesPerReadyMax: 200 });
    const leader = await rig.elect();
    await write(leader, 3);
    const { id } = rig.seats.find((seat) => seat.id !== leader.id)!;
    const replica = rig.replica(id);
    // While something else has the state, so much is committed that the core hands out only a part of it.
    let release = (): void => undefined;
    const held = replica.exclusive(
      () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    );
    await write(leader, 40, "more");
    expect(replica.status().raft.commit).toBe(leader.status().raft.commit);
    const reinstalled = replica.reinstall(leader.id);
    release();
    await held;
    await rig.tick(2);
    expect(await reinstalled).toBe(true);
    await write(leader, 3, "after");
    await caughtUp(leader, id);
    expect(replica.status().raft.applied).toBe(leader.status().raft.applied);
  });
});
