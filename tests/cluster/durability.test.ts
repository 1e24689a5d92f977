import { describe, expect } from "@jest/globals";
import type { Kv } from "@quorate/client";
import { seededRandom } from "@quorate/services/std";
import { clusterOfFile, hex, isLongRun, type TestCluster } from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const SEED = 7;

const cluster = clusterOfFile();

async function membersOf(cluster: TestCluster, node: number) {
  const { members } = await cluster.node(node).admin.call("listMembers", {});
  return members.map(({ leader: _, ...member }) => member);
}

/** The root over all keys and values at a past revision. */
async function hashAt(cluster: TestCluster, node: number, revision: number): Promise<string> {
  const { root } = await cluster.node(node).admin.call("hash", { revision: BigInt(revision) });
  return hex(root);
}

for (const run of [1, 2, 3, 4, 5]) {
  const random = seededRandom(SEED + run);
  const killedAt = 50 + random.below(900);
  const victimIsLeader = run % 2 === 1;

  describe(`${victimIsLeader ? "the leader" : "a follower"} at write ${killedAt}`, () =>
    cluster.test(
      "E1: 1000 writes, SIGKILL at a random one, restart: no acknowledged write lost",
      async (cluster) => {
        const kv = patientKv(cluster);
        const node = victimIsLeader ? await cluster.leader() : ((await cluster.followers())[0] as number);
        const load = Load.closedLoop(kv, `e1-${run}-`, { callers: 50, writesMax: 1000 });
        await inTime(`write ${killedAt}`, () => load.begun >= killedAt, { intervalMs: 5 });
        await cluster.kill(node);
        await cluster.restart(node);
        await load.done();
        await cluster.agree();
        await expectNothingLost(kv, load);
        expect(load.acknowledged.size).toBe(1000);
      },
    ));
}

cluster.test(
  "E2 E3: all nodes are killed an instant after an acknowledgement and restarted: data and membership are there",
  async (cluster) => {
    const members = await inTime("all stores are recorded", async () => {
      const seen = await membersOf(cluster, 1);
      return seen.every(({ storeId }) => storeId !== "") && seen;
    });
    expect(members.map(({ memberId, voter }) => ({ memberId, voter }))).toEqual([
      { memberId: "n1", voter: true },
      { memberId: "n2", voter: true },
      { memberId: "n3", voter: true },
    ]);
    for (let round = 0; round < (isLongRun ? 3 : 1); round += 1) {
      const kv = patientKv(cluster);
      await Promise.all(
        Array.from({ length: 100 }, (_, at) => kv.put(`e3-${at}`, `value ${at} of ${round}`)),
      );
      const before = await cluster.agree();
      const { revision } = await kv.put("e2-last-word", `round ${round}`);
      await cluster.killAll();
      await cluster.restartAll();
      const record = await patientKv(cluster).get("e2-last-word");
      expect({ text: record?.text(), revision: record?.modRevision }).toEqual({
        text: `round ${round}`,
        revision,
      });
      const { revision: revisionAfter } = await cluster.agree();
      expect(revisionAfter).toBe(before.revision + 1);
      expect(await hashAt(cluster, 1, before.revision)).toBe(before.root);
      for (const node of cluster.numbers) expect(await membersOf(cluster, node)).toEqual(members);
      expect(await patientKv(cluster).getText("e3-42")).toBe(`value 42 of ${round}`);
    }
  },
);

cluster.test(
  "E2: a crash of all nodes during proposals leaves each of them whole or not at all",
  async (cluster) => {
    const kv = patientKv(cluster);
    const keys = Array.from({ length: 100 }, (_, at) => `e2-together-${at}`);
    await Promise.all(keys.map((key) => kv.put(key, key)));
    const leader = await cluster.leader();
    const load = Load.closedLoop(cluster.client(leader, { deadlineMs: 4000 }).kv, "e2-cut-", { callers: 16 });
    await inTime("writes are under way", () => load.acknowledged.size >= 32, { intervalMs: 5 });
    const deletion = cluster.node(leader).kv.attempt("deleteRange", { prefix: Buffer.from("e2-together-") });
    await cluster.killAll();
    const reply = await deletion;
    await load.stop();
    await cluster.restartAll();
    await cluster.agree();
    const left = await patientKv(cluster).count({ prefix: "e2-together-" });
    expect(reply.ok ? [0] : [0, 100]).toContain(left);
    await expectNothingLost(patientKv(cluster), load);
  },
);

cluster.test("E4: a rolling restart under load loses nothing and ends with one leader", async (cluster) => {
  const kv = patientKv(cluster);
  const load = Load.closedLoop(kv, "e4-", { callers: 4, restMs: 40 });
  for (const node of cluster.numbers) {
    const before = load.acknowledged.size;
    await inTime("writes go on", () => load.acknowledged.size >= before + 20);
    expect(await cluster.terminate(node)).toBe(0);
    await cluster.restart(node);
    await cluster.leader();
  }
  await load.stop();
  expect([...load.refused, ...load.open]).toEqual([]);
  await cluster.leader();
  await cluster.agree();
  await expectNothingLost(kv, load);
});

cluster.test(
  "E6: term, log, membership and applied state survive a restart, and the latest wins",
  async (cluster) => {
    const kv = patientKv(cluster);
    // Each change of leaders raises the term, so that there is an old one that could come back.
    const first = await cluster.leader();
    await inTime("another leads", async () => {
      await cluster.node(first).admin.attempt("transferLeadership", {});
      return (await cluster.leader()) !== first;
    });
    for (let version = 1; version <= 30; version += 1) await kv.put("e6-overwritten", `version ${version}`);
    await cluster.agree();
    const node = await cluster.leader();
    const before = await cluster.status(node);
    const members = await membersOf(cluster, node);
    await cluster.killAll();
    // Alone, it cannot learn anything from anybody: all that it says was on its disk.
    await cluster.restart(node);
    const after = await cluster.status(node);
    expect(after).toMatchObject({
      clusterId: before.clusterId,
      memberId: before.memberId,
      storeId: before.storeId,
      leaderId: "",
    });
    // Others may have stood for election between the look and the end.
    expect(after.term).toBeGreaterThanOrEqual(before.term);
    expect(after.lastIndex).toBeGreaterThanOrEqual(before.lastIndex);
    expect(after.commitIndex).toBeLessThanOrEqual(after.lastIndex);
    expect(after.appliedIndex).toBeLessThanOrEqual(after.commitIndex);
    expect((await membersOf(cluster, node)).map(({ memberId }) => memberId)).toEqual(
      members.map(({ memberId }) => memberId),
    );
    await cluster.restartAll();
    await cluster.agree();
    const { term, appliedIndex, commitIndex } = await cluster.status(await cluster.leader());
    expect(term).toBeGreaterThan(before.term);
    expect(commitIndex).toBeGreaterThan(before.commitIndex);
    expect(appliedIndex).toBeGreaterThan(before.appliedIndex);
    for (const each of cluster.numbers) expect(await membersOf(cluster, each)).toEqual(members);
    expect(await patientKv(cluster).getText("e6-overwritten")).toBe("version 30");
  },
);

/** Everything that replaying a log twice or out of order would change. */
async function changeInEveryWay(kv: Kv): Promise<void> {
  for (let at = 0; at < 20; at += 1) {
    await Promise.all([
      kv.put(`e7-deleted-${at}`, "here"),
      kv.put(`e7-overwritten-${at}`, "first"),
      kv.increment("e7-counter", 3),
      kv.append("e7-log", `${at % 10}`),
    ]);
    await Promise.all([kv.delete(`e7-deleted-${at}`), kv.put(`e7-overwritten-${at}`, "latest")]);
  }
}

cluster.test(
  "E7: deleted stays deleted, overwritten stays latest, and a replay changes nothing",
  async (cluster) => {
    await changeInEveryWay(patientKv(cluster));
    const before = await cluster.agree();
    for (let restart = 0; restart < (isLongRun ? 2 : 1); restart += 1) {
      await cluster.killAll();
      await cluster.restartAll();
      expect(await cluster.agree()).toEqual(before);
    }
    const kv = patientKv(cluster);
    expect(await kv.count({ prefix: "e7-deleted-" })).toBe(0);
    for await (const record of kv.scan({ prefix: "e7-overwritten-" })) expect(record.text()).toBe("latest");
    expect(await kv.increment("e7-counter", 0)).toBe(60n);
    expect((await kv.getText("e7-log"))?.length).toBe(20);
  },
);
