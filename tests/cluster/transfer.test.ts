import { expect } from "@jest/globals";
import { clusterOfFile, type TestCluster } from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

// A transfer is called off after two election timeouts: the fast timing is too hasty for a busy machine.
const cluster = clusterOfFile({ profile: "default" });

async function transferTo(cluster: TestCluster, target: number): Promise<void> {
  const leader = await cluster.leader();
  const reply = await cluster.node(leader).admin.call("transferLeadership", { memberId: `n${target}` });
  expect(reply.leaderId).toBe(`n${target}`);
  expect(await cluster.leader()).toBe(target);
}

cluster.test("D11: the target of a transfer leads, one term later", async (cluster) => {
  const [target] = (await cluster.followers()) as [number];
  const before = (await cluster.status(await cluster.leader())).term;
  const leader = await cluster.leader();
  const reply = await cluster.node(leader).admin.call("transferLeadership", { memberId: `n${target}` });
  expect(reply).toEqual({ leaderId: `n${target}`, term: BigInt(before + 1) });
  expect(await cluster.leader()).toBe(target);
});

cluster.test("D11: a transfer to nobody in particular goes to another voter", async (cluster) => {
  const before = await cluster.leader();
  await cluster.node(before).admin.call("transferLeadership", {});
  expect(await cluster.leader()).not.toBe(before);
});

cluster.test("D11: a transfer that is asked of a follower reaches the leader", async (cluster) => {
  const [target, asked] = (await cluster.followers()) as [number, number];
  const reply = await cluster.node(asked).admin.call("transferLeadership", { memberId: `n${target}` });
  expect(reply.leaderId).toBe(`n${target}`);
});

cluster.test("D11: a chain of transfers under load, 1 to 2 to 3, loses nothing", async (cluster) => {
  const kv = patientKv(cluster);
  if ((await cluster.leader()) !== 1) await transferTo(cluster, 1);
  const load = Load.closedLoop(kv, "d11-chain-", { callers: 16 });
  for (const target of [2, 3, 1, 2, 3]) {
    const before = load.acknowledged.size;
    await inTime("writes go on", () => load.acknowledged.size >= before + 50);
    await transferTo(cluster, target);
  }
  await load.stop();
  expect([...load.refused, ...load.open]).toEqual([]);
  await cluster.agree();
  await expectNothingLost(kv, load);
});

cluster.test(
  "D11: a transfer to a node that does not answer is called off, and the leader leads on",
  async (cluster) => {
    const leader = await cluster.leader();
    const [target] = (await cluster.followers()) as [number];
    const { term } = await cluster.status(leader);
    const kv = patientKv(cluster, leader);
    const load = Load.closedLoop(kv, "d11-abort-", { callers: 4 });
    cluster.pause(target);
    try {
      const reply = await cluster
        .node(leader)
        .admin.attempt("transferLeadership", { memberId: `n${target}` });
      expect(reply.ok).toBe(false);
      const before = load.acknowledged.size;
      await inTime("writes go on", () => load.acknowledged.size >= before + 20);
      expect(await cluster.status(leader)).toMatchObject({ term, leaderId: `n${leader}` });
    } finally {
      cluster.resume(target);
    }
    await load.stop();
    await cluster.agree();
    expect([...load.open]).toEqual([]);
    await expectNothingLost(kv, load);
  },
);

cluster.test("D11: a transfer to a member that does not exist is refused", async (cluster) => {
  const leader = await cluster.leader();
  const reply = await cluster.node(leader).admin.attempt("transferLeadership", { memberId: "n9" });
  expect(reply).toMatchObject({ ok: false, code: "NOT_FOUND" });
  expect(await cluster.leader()).toBe(leader);
});
