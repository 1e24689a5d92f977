import { describe, expect, test } from "@jest/globals";
import type { Quorate } from "@quorate/client";
import {
  delay,
  direction,
  drop,
  duplicate,
  startCluster,
  type TestCluster,
  type TestNode,
} from "@quorate/testing";
import { eventually } from "#support";

function others(cluster: TestCluster, node: TestNode): TestNode[] {
  return cluster.nodes.filter((other) => other !== node);
}

/** However busy the machine, where its time is what passes. */
const PATIENT = { deadlineMs: 60_000 };

/** A client of one node whose session is open, so that its next write is proposed wherever the node believes it can be. */
async function writer(node: TestNode, patience: Partial<typeof PATIENT>): Promise<Quorate> {
  const client = node.client(patience);
  await client.kv.put(`writer/${node.id}`, "ready");
  return client;
}

async function leadersByTerm(cluster: TestCluster): Promise<Map<number, string[]>> {
  const leaders = new Map<number, string[]>();
  for (const status of await cluster.onAllNodes((node) => node.status())) {
    if (status.role === "leader")
      leaders.set(status.term, [...(leaders.get(status.term) ?? []), status.memberId]);
  }
  return leaders;
}

describe.each([
  { where: "in memory", options: { clock: "virtual" } },
  { where: "on disk over gRPC", options: { storage: "disk" } },
] as const)("a network that is cut, $where", ({ options }) => {
  const patience = "clock" in options ? {} : PATIENT;

  test("J3: leader isolated: the majority elects; the old one steps down and commits nothing", async () => {
    await using cluster = await startCluster({ ...options, seed: 3 });
    const old = await cluster.leader();
    const client = await writer(old, patience);
    cluster.isolate(old);
    // What was acknowledged before may be taken note of yet.
    const before = await eventually("it commits no more", async () => {
      const [look, next] = [await old.status(), await old.status()];
      return look.commitIndex === next.commitIndex && next;
    });
    const lost = client.kv.put("lost", "x", { deadlineMs: 1500 }).then(
      () => "written",
      (error: unknown) => error,
    );
    const next = await cluster.leader(patience);
    expect(next.id).not.toBe(old.id);
    await next.client(patience).kv.put("kept", "y");
    expect(await cluster.advanceUntil(lost)).toMatchObject({ name: "QuorateError" });
    const isolated = await eventually("it has stepped down", async () => {
      const status = await old.status();
      return status.role !== "leader" && status;
    });
    expect(isolated.commitIndex).toBe(before.commitIndex);
    cluster.heal();
    await cluster.verifyConsistency(patience);
    expect(await cluster.client(patience).kv.getText("lost")).toBeUndefined();
    expect(await old.kv.getText("kept")).toBe("y");
  });

  test("J4: 5 split 2/3: minority writes fail, the majority goes on; heal gives one leader", async () => {
    await using cluster = await startCluster({ ...options, nodes: 5, seed: 4 });
    const old = await cluster.leader();
    const [second, ...majority] = others(cluster, old) as [TestNode, ...TestNode[]];
    const clients = [await writer(old, patience), await writer(second, patience)];
    cluster.partition([old, second], majority);
    const minority = clients.map(({ kv }) =>
      kv.put("minority", "x", { deadlineMs: 1000 }).then(
        () => "written",
        (error: unknown) => error,
      ),
    );
    const next = await cluster.leader(patience);
    expect(majority).toContain(next);
    for (const node of majority) await node.client(patience).kv.increment("majority");
    for (const failed of await cluster.advanceUntil(Promise.all(minority))) {
      expect(failed).toMatchObject({ name: "QuorateError" });
    }
    cluster.heal();
    await cluster.leader(patience);
    await cluster.verifyConsistency(patience);
    await eventually("all follow one leader", async () => {
      const statuses = await cluster.onAllNodes((node) => node.status());
      return new Set(statuses.map(({ leaderId }) => leaderId)).size === 1;
    });
    expect(await cluster.onAllNodes(({ kv }) => kv.getText("majority"))).toEqual(Array(5).fill("3"));
    expect(await cluster.kv.getText("minority")).toBeUndefined();
  });

  test("J5: a one-way partition makes no split brain; progress after the heal", async () => {
    await using cluster = await startCluster({ ...options, seed: 5 });
    const old = await cluster.leader();
    // The others hear nothing from the leader, which goes on to hear them.
    for (const to of others(cluster, old)) cluster.cut({ from: old, to });
    const next = await cluster.leader(patience);
    expect(next.id).not.toBe(old.id);
    await next.client(patience).kv.put("a", "1");
    for (const [, ids] of await leadersByTerm(cluster)) expect(ids).toHaveLength(1);
    cluster.heal();
    await cluster.leader(patience);
    await cluster.client(patience).kv.put("a", "2");
    await cluster.verifyConsistency(patience);
    expect(await cluster.onAllNodes(({ kv }) => kv.getText("a"))).toEqual(["2", "2", "2"]);
    for (const [, ids] of await leadersByTerm(cluster)) expect(ids).toHaveLength(1);
  });
});

test("C4: a partitioned old leader never returns a stale linearizable read", async () => {
  await using cluster = await startCluster({ clock: "virtual", seed: 44 });
  const old = await cluster.leader();
  await cluster.kv.put("counter", "0");
  const client = old.client({ deadlineMs: 300 });
  cluster.isolate(old);
  const readers: Promise<void>[] = [];
  const seen: string[] = [];
  let acknowledged = 0;
  let isWriting = false;
  const [writing] = others(cluster, old) as [TestNode, ...TestNode[]];
  // Every 10 ms of two seconds: the old leader believes that it leads for the first part of them.
  for (let step = 0; step < 200; step += 1) {
    readers.push(
      client.kv.getText("counter").then(
        (text) => void seen.push(`${text} after ${acknowledged} was acknowledged`),
        () => undefined,
      ),
    );
    if (!isWriting) {
      isWriting = true;
      void writing.kv.put("counter", String(acknowledged + 1)).then(() => {
        acknowledged += 1;
        isWriting = false;
      });
    }
    await cluster.advance(10);
  }
  expect(acknowledged).toBeGreaterThan(50);
  expect(await client.kv.getText("counter", { consistency: "stale" })).toBe("0");
  await cluster.advanceUntil(Promise.all(readers));
  // Not even what happens to be up to date: it cannot know that, cut off as it is.
  expect(seen).toEqual([]);
  cluster.heal();
  expect(
    Number(await cluster.advanceUntil(client.kv.getText("counter", { deadlineMs: 5000 }))),
  ).toBeGreaterThanOrEqual(acknowledged);
});

test("J6: 30 % loss, 100 ms delay and duplication: 30 proposals commit once each", async () => {
  await using cluster = await startCluster({ clock: "virtual", timing: "default", seed: 6 });
  cluster.addFilter(drop(0.3));
  cluster.addFilter(delay(100));
  cluster.addFilter(duplicate(0.3));
  const client = cluster.client({ deadlineMs: 60_000 });
  const proposals = Array.from({ length: 30 }, async (_, at) => {
    await client.kv.append(`proposal/${at}`, "x");
    await client.kv.increment("total");
  });
  await cluster.advanceUntil(Promise.all(proposals), { deadlineMs: 60_000 });
  cluster.clearFilters();
  await cluster.verifyConsistency();
  expect(await cluster.kv.getText("total")).toBe("30");
  const values: string[] = [];
  for await (const record of cluster.kv.scan({ prefix: "proposal/" })) values.push(record.text());
  expect(values).toEqual(Array(30).fill("x"));
});

test("J7: a slow follower does not slow commits, and catches up", async () => {
  await using cluster = await startCluster({ clock: "virtual", seed: 7 });
  const leader = await cluster.leader();
  const [slow] = others(cluster, leader) as [TestNode, ...TestNode[]];
  cluster.addFilter(direction({ from: leader.id, to: slow.id }, delay(150)));
  const startMs = cluster.nowMs;
  for (let at = 0; at < 50; at += 1) await leader.kv.put(`key/${at}`, "x");
  // The quick follower's answers take no time at all.
  expect(cluster.nowMs - startMs).toBe(0);
  expect((await slow.status()).appliedIndex).toBeLessThan((await leader.status()).appliedIndex);
  await cluster.verifyConsistency({ deadlineMs: 2000 });
  expect(await slow.kv.count({ prefix: "key/" }, { consistency: "stale" })).toBe(50);
  expect(await cluster.leader()).toBe(leader);
});
