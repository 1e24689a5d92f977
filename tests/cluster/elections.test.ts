import { describe, expect, test } from "@jest/globals";
import { Role } from "@quorate/client/generated";
import { clusterOfFile, type TestCluster, withCluster } from "../support";
import { LeaderCensus } from "./leader-census";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

async function termsOf(cluster: TestCluster): Promise<number[]> {
  return Promise.all(cluster.live.map(async (node) => (await cluster.status(node)).term));
}

async function putMany(cluster: TestCluster, prefix: string, count: number): Promise<void> {
  const kv = patientKv(cluster);
  for (let at = 0; at < count; at += 1) await kv.put(`${prefix}${at}`, `value ${at}`);
}

describe("a cluster that nobody disturbs", () => {
  const cluster = clusterOfFile({ profile: "default" });

  cluster.test("D1: three nodes elect one leader and agree", async (cluster) => {
    await putMany(cluster, "d1-", 10);
    const statuses = await Promise.all(cluster.numbers.map((node) => cluster.status(node)));
    expect(statuses.filter(({ role }) => role === Role.LEADER)).toHaveLength(1);
    expect(statuses.filter(({ role }) => role === Role.FOLLOWER)).toHaveLength(2);
    expect(new Set(statuses.map(({ leaderId }) => leaderId)).size).toBe(1);
    expect(await cluster.agree()).toMatchObject({ count: 10 });
  });

  cluster.test("D6: no election in 50 proposals under a healthy leader", async (cluster) => {
    const leader = await cluster.leader();
    const before = await termsOf(cluster);
    await putMany(cluster, "d6-", 50);
    expect(await termsOf(cluster)).toEqual(before);
    expect(await cluster.leader()).toBe(leader);
  });
});

describe("leaders that die", () => {
  const cluster = clusterOfFile();

  cluster.test("D5: the old leader returns as a follower and catches up with no flag", async (cluster) => {
    await putMany(cluster, "d5-before-", 20);
    const old = await cluster.leader();
    await cluster.kill(old);
    await cluster.leader();
    await putMany(cluster, "d5-without-it-", 200);
    await cluster.restart(old);
    const leader = await cluster.leader();
    expect(leader).not.toBe(old);
    expect((await cluster.status(old)).role).toBe(Role.FOLLOWER);
    const { count } = await cluster.agree();
    expect(count).toBeGreaterThanOrEqual(220);
  });

  cluster.test(
    "D3: at most one leader a term, sampled every 50 ms for 10 s after a fail-over",
    async (cluster) => {
      const killed = await cluster.leader();
      await cluster.kill(killed);
      const census = await LeaderCensus.during(cluster, { everyMs: 50, forMs: 10_000 }, async () => {
        await cluster.leader();
        await cluster.restart(killed);
        await cluster.leader();
      });
      expect(census.disputedTerms).toEqual([]);
      expect(census.membersThatWentBack).toEqual([]);
      expect(census.leadersByTerm.size).toBeGreaterThanOrEqual(1);
      expect(census.samples).toBeGreaterThanOrEqual(100);
    },
  );

  cluster.test("D10: nodes that are killed while they vote never vote twice in a term", async (cluster) => {
    const census = await LeaderCensus.during(cluster, { everyMs: 20, forMs: 0 }, async () => {
      for (let round = 0; round < 3; round += 1) {
        const leader = await cluster.leader();
        const { term } = await cluster.status(leader);
        const voter = (await cluster.followers())[0] as number;
        await cluster.kill(leader);
        // The two that are left can only elect each other, so this one has voted, or is about to.
        await inTime("the voter is in an election", async () => {
          const status = await cluster.status(voter, 500);
          return status.term > term || status.role !== Role.FOLLOWER;
        });
        const { term: voted } = await cluster.status(voter);
        await cluster.kill(voter);
        await cluster.restart(voter);
        expect((await cluster.status(voter)).term).toBeGreaterThanOrEqual(voted);
        await cluster.restart(leader);
      }
      await cluster.leader();
    });
    expect(census.disputedTerms).toEqual([]);
    expect(census.membersThatWentBack).toEqual([]);
    await cluster.agree();
  });
});

test("D1 D7: five nodes elect one leader, and three leader kills in a row under load lose no acknowledged write", async () => {
  await withCluster({ nodes: 5 }, async (cluster) => {
    const statuses = await Promise.all(cluster.numbers.map((node) => cluster.status(node)));
    expect(statuses.filter(({ role }) => role === Role.LEADER)).toHaveLength(1);
    const kv = patientKv(cluster);
    const load = Load.closedLoop(kv, "d7-", { callers: 16 });
    const leaders = new Set<number>();
    let latest: number | null = null;
    for (let kills = 0; kills < 3; kills += 1) {
      const leader = await cluster.leader();
      leaders.add(leader);
      const before = load.acknowledged.size;
      await inTime("writes go on", () => load.acknowledged.size >= before + 50);
      await cluster.kill(leader);
      // One is down at a time besides the leader that was just killed: three of five remain.
      if (latest !== null) await cluster.restart(latest);
      latest = leader;
    }
    expect(leaders.size).toBeGreaterThanOrEqual(2);
    await cluster.restartAll();
    const before = load.acknowledged.size;
    await inTime("writes go on", () => load.acknowledged.size >= before + 50);
    await load.stop();
    await cluster.agree();
    await expectNothingLost(kv, load);
  });
});
