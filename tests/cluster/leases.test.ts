import { expect } from "@jest/globals";
import { clusterOfFile, type TestCluster } from "#support";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile({ nodes: 3, gateways: 1 });
const { test } = cluster;

/** How late replicated time may end a lease beside the time without a leader: two of its steps, and what a busy machine adds. */
const LATE_MS_MAX = 5000;

/** Which of the keys are there, at one revision. */
async function present(c: TestCluster, keys: readonly string[]): Promise<number> {
  const records = await patientKv(c).batchGet(keys);
  return records.filter((record) => record !== undefined).length;
}

test("A22: keys of a lease vanish together when it ends, and never early", async (c) => {
  const client = c.client();
  const keys = ["together/a", "together/b", "together/c"];
  const ttlMs = 2000;
  const grantedAt = performance.now();
  const lease = await client.leases.grant({ ttlMs, keepAlive: false });
  for (const key of keys) await client.kv.put(key, "x", { leaseId: lease.id });
  await client.kv.put("together/free", "x");
  const seen = await inTime("the keys are gone", async () => {
    const count = await present(c, keys);
    if (count === keys.length) return false;
    return { count, afterMs: performance.now() - grantedAt };
  });
  expect(seen.count).toBe(0);
  expect(seen.afterMs).toBeGreaterThanOrEqual(ttlMs);
  for (const node of c.numbers) expect(await c.client(node).kv.count({ prefix: "together/" })).toBe(1);
  await expect(client.leases.timeToLive(lease.id)).rejects.toMatchObject({ reason: "UNKNOWN_LEASE" });
  await expect(client.kv.put("together/late", "x", { leaseId: lease.id })).rejects.toMatchObject({
    reason: "UNKNOWN_LEASE",
    outcome: "not_applied",
  });
});

test("A22: the time to live is neither reset nor lost by three leader changes in a row", async (c) => {
  const ttlMs = 10_000;
  const keys = ["changes/a", "changes/b"];
  const client = c.client(c.numbers, { deadlineMs: 60_000 });
  const grantedAt = performance.now();
  const lease = await client.leases.grant({ ttlMs, keepAlive: false });
  for (const key of keys) await client.kv.put(key, "x", { leaseId: lease.id });
  let withoutLeaderMs = 0;
  let remainingMs = ttlMs;
  for (let change = 0; change < 3; change += 1) {
    const old = await c.leader();
    const killedAt = performance.now();
    await c.kill(old);
    // Answered only once another leads.
    const { lease: now } = await inTime("another leader knows the lease", async () => ({
      lease: await client.leases.timeToLive(lease.id),
    }));
    withoutLeaderMs += performance.now() - killedAt;
    expect(now.remainingMs).toBeLessThanOrEqual(remainingMs);
    remainingMs = now.remainingMs;
    await c.restart(old);
  }
  expect(remainingMs).toBeLessThan(ttlMs);
  await inTime("the keys are gone", async () => {
    const count = await present(c, keys);
    const sinceMs = performance.now() - grantedAt;
    if (count < keys.length) {
      expect(count).toBe(0);
      expect(sinceMs).toBeGreaterThanOrEqual(ttlMs);
    }
    return count === 0;
  });
  expect(performance.now() - grantedAt).toBeLessThan(ttlMs + withoutLeaderMs + LATE_MS_MAX);
});

test("A22: a lease that is kept alive lives, through the gateway and across the loss of the leader; revoked it is gone at once", async (c) => {
  const client = c.client(c.gateway().address, { deadlineMs: 60_000 });
  const ttlMs = 3000;
  const lease = await client.leases.grant({ ttlMs });
  await client.kv.put("kept", "x", { leaseId: lease.id });
  const old = await c.leader();
  await c.kill(old);
  const startedAt = performance.now();
  await inTime("it has lived three times its time", async () => {
    expect(await client.kv.exists("kept")).toBe(1);
    return performance.now() - startedAt > 3 * ttlMs;
  });
  expect(lease.signal.aborted).toBe(false);
  await c.restart(old);
  expect((await client.leases.list()).map(({ id }) => id)).toContain(lease.id);
  const { keys } = await client.leases.timeToLive(lease.id, { keys: true });
  expect(keys).toHaveLength(1);
  expect(await lease.revoke()).toBe(1);
  expect(lease.signal.aborted).toBe(true);
  expect(await client.kv.exists("kept")).toBe(0);
});

test("A22: leases and what is attached to them survive the death of all nodes", async (c) => {
  const client = c.client(c.numbers, { deadlineMs: 60_000 });
  const lease = await client.leases.grant({ ttlMs: 120_000, keepAlive: false });
  await client.kv.put("survives", "x", { leaseId: lease.id });
  await c.killAll();
  await c.restartAll();
  const { remainingMs } = await client.leases.timeToLive(lease.id);
  expect(remainingMs).toBeGreaterThan(60_000);
  expect(remainingMs).toBeLessThanOrEqual(120_000);
  expect((await client.kv.get("survives"))?.leaseId).toBe(lease.id);
  expect(await client.leases.revoke(lease.id)).toEqual({ deleted: 1 });
  expect(await client.kv.exists("survives")).toBe(0);
});
