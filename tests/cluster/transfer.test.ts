import { expect } from "@jest/globals";
import type { TransferLeadershipResponse } from "@quorate/client/generated";
import { clusterOfFile, isLongRun, NeverWill, type TestCluster, underOneLeader } from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

// A transfer is called off after two election timeouts: the fast timing is too hasty for a busy machine.
const cluster = clusterOfFile({ profile: "default" });

/** Asks a node for a transfer; null where it was called off, as it is where the target is too slow. */
async function transferred(
  cluster: TestCluster,
  asked: number,
  memberId: string,
): Promise<TransferLeadershipResponse | null> {
  const reply = await cluster.node(asked).admin.attempt("transferLeadership", { memberId });
  if (reply.ok) {
    const { leaderId, term } = reply.response;
    if (memberId !== "" && leaderId !== memberId) {
      throw new NeverWill(`asked for ${memberId}, the reply names ${leaderId}`);
    }
    const now = await cluster.status(await cluster.leader());
    // Another one leads after a later election only.
    if (now.leaderId !== leaderId && BigInt(now.term) <= term) {
      throw new NeverWill(
        `${leaderId} was said to lead in term ${term}: in ${now.term} ${now.leaderId} does`,
      );
    }
    return reply.response;
  }
  if (reply.detail !== null && !reply.detail.retryable) throw new NeverWill(reply.message);
  return null;
}

/** Has a node asked for a transfer until that comes about. */
async function transferTo(cluster: TestCluster, target: number, asked = cluster.leader()): Promise<void> {
  const node = await asked;
  await inTime(
    `n${target} leads`,
    async () =>
      (await transferred(cluster, node, `n${target}`)) !== null && (await cluster.leader()) === target,
  );
}

cluster.test("D11: the target of a transfer leads, one term later", async (cluster) => {
  await inTime("a transfer without an election besides", async () => {
    const [target] = (await cluster.followers()) as [number];
    const leader = await cluster.leader();
    const { term } = await cluster.status(leader);
    const response = await transferred(cluster, leader, `n${target}`);
    if (response === null) return false;
    if (response.term <= BigInt(term)) throw new NeverWill(`term ${response.term} does not follow ${term}`);
    return response.term === BigInt(term + 1) && (await cluster.leader()) === target;
  });
});

cluster.test("D11: a transfer to nobody in particular goes to another voter", async (cluster) => {
  await inTime("another one leads", async () => {
    const before = await cluster.leader();
    const response = await transferred(cluster, before, "");
    return response !== null && response.leaderId !== `n${before}` && (await cluster.leader()) !== before;
  });
});

cluster.test("D11: a transfer that is asked of a follower reaches the leader", async (cluster) => {
  const [target, asked] = (await cluster.followers()) as [number, number];
  await transferTo(cluster, target, Promise.resolve(asked));
});

cluster.test("D11: a chain of transfers under load, 1 to 2 to 3, loses nothing", async (cluster) => {
  const kv = patientKv(cluster);
  if ((await cluster.leader()) !== 1) await transferTo(cluster, 1);
  const load = Load.closedLoop(kv, "d11-chain-", { callers: 4 });
  for (const target of isLongRun ? [2, 3, 1, 2, 3] : [2, 3]) {
    const before = load.acknowledged.size;
    await inTime("writes go on", () => load.acknowledged.size >= before + 20);
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
    const kv = patientKv(cluster);
    const load = Load.closedLoop(kv, "d11-abort-", { callers: 2 });
    await underOneLeader(cluster, async (leader) => {
      const [target] = (await cluster.followers()) as [number];
      const { term } = await cluster.status(leader);
      cluster.pause(target);
      try {
        // It has to be behind: else the leader tells it at once to stand, which it reads when it goes on, and does.
        const atPause = load.acknowledged.size;
        await inTime("writes that the target does not have", () => load.acknowledged.size >= atPause + 10);
        const { admin } = cluster.node(leader);
        const reply = await admin.attempt(
          "transferLeadership",
          { memberId: `n${target}` },
          { deadlineMs: 60_000 },
        );
        expect(reply.ok).toBe(false);
        const before = load.acknowledged.size;
        await inTime("writes go on", () => load.acknowledged.size >= before + 10);
        expect(await cluster.status(leader)).toMatchObject({ term, leaderId: `n${leader}` });
      } finally {
        cluster.resume(target);
      }
    });
    await load.stop();
    await cluster.agree();
    expect([...load.open]).toEqual([]);
    await expectNothingLost(kv, load);
  },
);

cluster.test("D11: a transfer to a member that does not exist is refused", async (cluster) => {
  await underOneLeader(cluster, async (leader) => {
    const reply = await cluster.node(leader).admin.attempt("transferLeadership", { memberId: "n9" });
    expect(reply).toMatchObject({ ok: false, code: "NOT_FOUND" });
    expect(await cluster.leader()).toBe(leader);
  });
});
