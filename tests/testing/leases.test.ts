import { describe, expect, test } from "@jest/globals";
import { startCluster, type TestCluster } from "@quorate/testing";
import { eventually } from "#support";

const TTL_MS = 2000;

/** Lets the cluster's time pass until the condition holds; resolves with how long that took. */
async function until(cluster: TestCluster, isSo: () => Promise<boolean>): Promise<number> {
  const stepMs = 50;
  for (let passedMs = 0; passedMs < 20_000; passedMs += stepMs) {
    if (await isSo()) return passedMs;
    await cluster.advance(stepMs);
  }
  throw new Error("it never came about");
}

describe("leases of the client", () => {
  test("A22: one is kept alive through three changes of the leader in a row, and its keys with it", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 61 });
    const client = cluster.client();
    const lease = await client.leases.grant({ ttlMs: TTL_MS });
    await client.kv.put("a", "1", { leaseId: lease.id });
    await client.kv.put("b", "2", { leaseId: lease.id });
    for (let change = 0; change < 3; change += 1) {
      const leader = await cluster.leader();
      await leader.kill();
      await cluster.leader();
      await cluster.advance(TTL_MS);
      await leader.restart();
    }
    expect([lease.signal.aborted, await cluster.kv.count()]).toEqual([false, 2]);
    expect(await lease.revoke()).toBe(2);
    expect(await cluster.kv.count()).toBe(0);
    await cluster.verifyConsistency();
  });

  test("A22: the keys of one that is not kept alive vanish together, never before its client knows", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 62 });
    const client = cluster.client();
    const lease = await client.leases.grant({ ttlMs: TTL_MS, keepAlive: false });
    await client.kv.put("a", "1", { leaseId: lease.id });
    await client.kv.put("b", "2", { leaseId: lease.id });
    const seen = new Set<number>();
    const tookMs = await until(cluster, async () => {
      const count = await cluster.kv.count();
      if (count < 2) expect(lease.signal.aborted).toBe(true);
      seen.add(count);
      return count === 0;
    });
    expect([[...seen], tookMs >= TTL_MS - 100]).toEqual([[2, 0], true]);
  });

  test("A22: a client that is cut off knows that its lease is lost before the cluster ends it", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 63 });
    const client = cluster.client();
    const lease = await client.leases.grant({ ttlMs: TTL_MS });
    await client.kv.put("a", "1", { leaseId: lease.id });
    await cluster.advance(3 * TTL_MS);
    expect(lease.signal.aborted).toBe(false);
    for (const node of cluster.nodes) await node.pause();
    await until(cluster, async () => lease.signal.aborted);
    for (const node of cluster.nodes) await node.resume();
    expect(await cluster.kv.count()).toBe(1);
    await until(cluster, async () => (await cluster.kv.count()) === 0);
  });

  test("A22: over gRPC and on disk one is kept alive through a change of the leader", async () => {
    await using cluster = await startCluster({ storage: "disk", seed: 64 });
    const client = cluster.client({ deadlineMs: 60_000 });
    // Longer than a busy machine stands still.
    const ttlMs = 9000;
    const lease = await client.leases.grant({ ttlMs });
    await client.kv.put("a", "1", { leaseId: lease.id });
    await (await cluster.leader()).kill();
    // Renewed by another leader: it lives longer than it did a moment ago.
    let lowestMs = ttlMs;
    await eventually("the lease is renewed", async () => {
      const { remainingMs } = await client.leases.timeToLive(lease.id);
      lowestMs = Math.min(lowestMs, remainingMs);
      return remainingMs > lowestMs + ttlMs / 6;
    });
    expect(lease.signal.aborted).toBe(false);
    const { remainingMs, keys } = await client.leases.timeToLive(lease.id, { keys: true });
    expect([remainingMs > 0, keys.map((key) => Buffer.from(key).toString())]).toEqual([true, ["a"]]);
    expect([await lease.revoke(), await client.kv.count()]).toEqual([1, 0]);
  });
});
