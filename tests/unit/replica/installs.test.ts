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

interface Gate {
  readonly promise: Promise<void>;
  readonly open: () => void;
}

function gate(): Gate {
  let open = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

/** A follower that needs a snapshot. */
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
    const between = gate();
    const held = replica.exclusive(() => between.promise);
    await write(leader, 40, "more");
    expect(replica.status().raft.commit).toBe(leader.status().raft.commit);
    const reinstalled = replica.reinstall(leader.id);
    between.open();
    await held;
    await rig.tick(2);
    expect(await reinstalled).toBe(true);
    await write(leader, 3, "after");
    await caughtUp(leader, id);
    expect(replica.status().raft.applied).toBe(leader.status().raft.applied);
  });
});

describe("under load", () => {
  test("F2: one snapshot is enough, however long the member takes to install it and to catch up", async () => {
    const { leader, id } = await behind();
    const replica = rig.replica(id);
    const between = gate();
    const held = replica.exclusive(() => between.promise);
    let hasCome = false;
    rig.onChunk = (chunk) => {
      hasCome ||= chunk.isLast;
      return chunk;
    };
    rig.heal();
    for (let tick = 0; tick < 20 && !hasCome; tick += 1) await rig.tick();
    await write(leader, 60, "meanwhile");
    await leader.state.checkpoint();
    await rig.tick(2);
    between.open();
    await held;
    await caughtUp(leader, id);
    expect(replica.status().imagesInstalled).toBe(1);
    expect(leader.status().logFirstIndex).toBeGreaterThan(40);
  });
});

describe("a state that came whole is not installed", () => {
  /** Has the image come whole, then the log blocked while it is written what the test asks for, then the install begun. */
  async function amidWrite(
    { leader, id }: { leader: Replica; id: string },
    begin: (replica: Replica) => void,
  ): Promise<{ release: () => void }> {
    const replica = rig.replica(id);
    const { log } = rig.seat(id);
    const between = gate();
    const held = replica.exclusive(() => between.promise);
    let hasCome = false;
    rig.onChunk = (chunk) => {
      hasCome ||= chunk.isLast;
      return chunk;
    };
    rig.heal();
    for (let tick = 0; tick < 20 && !hasCome; tick += 1) await rig.tick();
    expect(hasCome).toBe(true);
    await rig.settle();
    rig.isolate(id);
    const written = gate();
    log.faults.beforeWrite = () => written.promise;
    begin(replica);
    await rig.settle();
    between.open();
    await held;
    await rig.settle();
    expect(leader.isLeader).toBe(true);
    const release = (): void => {
      log.faults.beforeWrite = null;
      written.open();
    };
    return { release };
  }

  test("where the replica stops while its log is being written", async () => {
    const found = await behind();
    const { term } = found.leader.status().raft;
    const last = { term: 0, index: 0 };
    const { id: from } = rig.seats.find(({ id }) => id !== found.id)!;
    const { release } = await amidWrite(found, (replica) =>
      replica.receive([{ kind: "vote", from, to: found.id, term: term + 1, last, transfer: true }]),
    );
    const replica = rig.replica(found.id);
    const stopped = replica.stop();
    release();
    await stopped;
    expect(replica.status().imagesInstalled).toBe(0);
  });

  test("where the log fails meanwhile", async () => {
    const found = await behind();
    const { term } = found.leader.status().raft;
    const last = { term: 0, index: 0 };
    const { id: from } = rig.seats.find(({ id }) => id !== found.id)!;
    const { release } = await amidWrite(found, (replica) =>
      replica.receive([{ kind: "vote", from, to: found.id, term: term + 1, last, transfer: true }]),
    );
    const replica = rig.replica(found.id);
    let failures = 0;
    replica.subscribe({
      failed: () => {
        failures += 1;
      },
    });
    rig.seat(found.id).log.faults.failNextWrite();
    release();
    await rig.settle();
    expect(failures).toBe(1);
    expect(replica.status().imagesInstalled).toBe(0);
  });

  test("where the replica has come to lead meanwhile", async () => {
    const found = await behind();
    const { term } = found.leader.status().raft;
    const { id: to, leader } = found;
    const { release } = await amidWrite(found, (replica) => {
      replica.receive([{ kind: "timeout_now", from: leader.id, to, term }]);
      replica.receive([{ kind: "vote_response", from: leader.id, to, term: term + 1, rejected: false }]);
    });
    const replica = rig.replica(to);
    release();
    await rig.settle();
    expect(replica.status().imagesInstalled).toBe(0);
    expect(replica.status().raft.role).toBe("leader");
  });
});

describe("a member that takes its state anew", () => {
  test("gives it up when it comes to lead: nothing could be written meanwhile", async () => {
    rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await write(leader, 3);
    const { id } = rig.seats.find((seat) => seat.id !== leader.id)!;
    rig.onChunk = () => {
      throw new Error("broken");
    };
    const replica = rig.replica(id);
    let outcome: boolean | null = null;
    void replica.reinstall(leader.id).then((isInstalled) => {
      outcome = isInstalled;
    });
    await rig.settle();
    const transferred = leader.transferLeadership(id);
    await rig.tick(2);
    expect(await transferred).toMatchObject({ kind: "transferred", leaderId: id });
    expect(outcome).toBe(false);
    await write(replica, 1, "after");
  });
});
