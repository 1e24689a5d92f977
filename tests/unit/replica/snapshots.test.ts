import { afterEach, describe, expect, test } from "@jest/globals";
import type { Replica } from "@quorate/services/replica";
import { hexEncode } from "@quorate/services/std";
import { appliedAnswer, increment, put, ReplicaRig } from "./replica-rig";

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

async function contents(replica: Replica): Promise<readonly string[]> {
  const { id: namespaceId, generation } = replica.namespace("")!;
  const range = { start: new Uint8Array(0), end: null, reverse: false, keysOnly: false };
  const lines: string[] = [];
  const { revision } = replica.status();
  for await (const chunk of replica.state.scan({ namespaceId, generation, revision, ...range })) {
    for (const { key, value, modRevision } of chunk) {
      lines.push(`${hexEncode(key)}=${hexEncode(value)}@${modRevision}`);
    }
  }
  return lines;
}

/** Waits until the member has applied what the leader has. */
async function caughtUp(leader: Replica, id: string): Promise<void> {
  for (let tick = 0; tick < 200; tick += 1) {
    if (rig.replica(id).status().appliedIndex >= leader.status().raft.commit) return;
    await rig.tick();
  }
  throw new Error(`${id} has not caught up`);
}

async function behind(): Promise<{ leader: Replica; id: string }> {
  rig = new ReplicaRig(3, {}, SHORT_LOG);
  const leader = await rig.elect();
  const { id } = rig.seats.find((seat) => seat.id !== leader.id)!;
  rig.isolate(id);
  await write(leader, 60);
  await leader.takeSnapshot();
  expect(leader.status().logFirstIndex).toBeGreaterThan(rig.replica(id).status().raft.last.index + 1);
  return { leader, id };
}

describe("snapshots", () => {
  test("F1: the log is cut by itself, to no more than the state holds durably", async () => {
    rig = new ReplicaRig(3, {}, SHORT_LOG);
    const leader = await rig.elect();
    await write(leader, 80);
    await leader.state.checkpoint();
    await rig.tick(2);
    const { logFirstIndex, checkpointIndex, raft } = leader.status();
    expect(raft.last.index - logFirstIndex).toBeLessThan(SHORT_LOG.entriesMax + 2);
    expect(logFirstIndex - 1).toBeLessThanOrEqual(checkpointIndex);
  });

  test("F2: a follower that was away too long catches up by one, and goes on", async () => {
    const { leader, id } = await behind();
    let wasTold = 0;
    rig.replica(id).subscribe({
      installed: () => {
        wasTold += 1;
      },
    });
    rig.heal();
    await caughtUp(leader, id);
    expect(wasTold).toBe(1);
    expect(rig.replica(id).status().imagesInstalled).toBe(1);
    expect(await contents(rig.replica(id))).toEqual(await contents(leader));
    await write(leader, 5, "after");
    await caughtUp(leader, id);
    expect(await contents(rig.replica(id))).toEqual(await contents(leader));
    rig.crash(id);
    rig.start(id);
    await caughtUp(leader, id);
    expect(await contents(rig.replica(id))).toEqual(await contents(leader));
  });

  test("F3: one whose stream breaks again and again still comes, and writes go on meanwhile", async () => {
    const { leader, id } = await behind();
    let chunks = 0;
    rig.onChunk = (chunk) => {
      chunks += 1;
      if (chunks % 2 === 0) throw new Error("broken");
      return chunk;
    };
    rig.heal();
    await write(leader, 30, "meanwhile");
    await caughtUp(leader, id);
    expect(await contents(rig.replica(id))).toEqual(await contents(leader));
  });

  test("F3: a damaged chunk is not taken", async () => {
    const { leader, id } = await behind();
    let isDamaged = false;
    rig.onChunk = (chunk) => {
      if (isDamaged) return chunk;
      isDamaged = true;
      return { ...chunk, data: chunk.data.map((byte, at) => (at === 3 ? byte ^ 1 : byte)) };
    };
    rig.heal();
    await caughtUp(leader, id);
    expect(isDamaged).toBe(true);
    expect(await contents(rig.replica(id))).toEqual(await contents(leader));
  });

  test("F3: a crash midway leaves the old state, and the next attempt brings the new one", async () => {
    const { leader, id } = await behind();
    const before = await contents(rig.replica(id));
    let isCrashed = false;
    rig.onChunk = (chunk) => {
      if (!isCrashed) {
        isCrashed = true;
        rig.crash(id);
      }
      return chunk;
    };
    rig.heal();
    for (let tick = 0; tick < 50 && !isCrashed; tick += 1) await rig.tick();
    expect(isCrashed).toBe(true);
    const restarted = rig.start(id);
    expect(await contents(restarted)).toEqual(before);
    await caughtUp(leader, id);
    expect(await contents(restarted)).toEqual(await contents(leader));
  });

  test("C10: a request id that was answered before the snapshot is answered alike after it", async () => {
    rig = new ReplicaRig(3, {}, SHORT_LOG);
    const leader = await rig.elect();
    const { openSessionCommand, encodeCommand } = await import("@quorate/services/kv");
    const opening = leader.submit(
      encodeCommand(openSessionCommand({ namespace: "", requestId: null, wallTimeMs: 0 }, 60_000)),
    );
    await rig.tick(2);
    appliedAnswer(await opening);
    const request = increment("n", { clientId: 1, sequence: 1, firstUnanswered: 1 });
    const { id } = rig.seats.find((seat) => seat.id !== leader.id)!;
    rig.isolate(id);
    const first = leader.submit(request);
    await rig.tick(2);
    const answer = appliedAnswer(await first);
    await write(leader, 60);
    await leader.takeSnapshot();
    rig.heal();
    await caughtUp(leader, id);
    expect(rig.replica(id).status().imagesInstalled).toBe(1);
    const transfer = leader.transferLeadership(id);
    await rig.tick(20);
    expect(await transfer).toMatchObject({ kind: "transferred" });
    const again = rig.replica(id).submit(request);
    await rig.tick(2);
    expect(appliedAnswer(await again)).toEqual(answer);
  });

  test("a whole state is taken anew from a peer, while the log goes on", async () => {
    rig = new ReplicaRig(3, {}, SHORT_LOG);
    const leader = await rig.elect();
    await write(leader, 10);
    const { id } = rig.seats.find((seat) => seat.id !== leader.id)!;
    const replica = rig.replica(id);
    const reinstalled = replica.reinstall(leader.id);
    await write(leader, 10, "more");
    expect(await reinstalled).toBe(true);
    await caughtUp(leader, id);
    expect(replica.status().imagesInstalled).toBe(1);
    expect(await contents(replica)).toEqual(await contents(leader));
    await write(leader, 3, "after");
    await caughtUp(leader, id);
    expect(await contents(replica)).toEqual(await contents(leader));
  });

  test("nothing is applied while something needs that, and everything after it", async () => {
    rig = new ReplicaRig(1);
    const leader = await rig.elect();
    await write(leader, 2);
    let release = (): void => undefined;
    const held = leader.exclusive(
      ({ applied, revision }) =>
        new Promise<string>((resolve) => {
          release = () => resolve(`${applied.index === leader.status().appliedIndex} ${revision}`);
        }),
    );
    const outcome = leader.submit(put("x", "y"));
    await rig.tick(5);
    const { appliedIndex, raft } = leader.status();
    expect(raft.commit).toBeGreaterThan(appliedIndex);
    release();
    expect(await held).toBe("true 2");
    await rig.tick(2);
    appliedAnswer(await outcome);
    await leader.stop();
    await expect(leader.exclusive(async () => 1)).rejects.toThrow("stopped");
  });
});
