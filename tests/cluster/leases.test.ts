import { expect } from "@jest/globals";
import { type Lease, op, type Quorate, QuorateError } from "@quorate/client";
import { clusterOfFile, NeverWill, type TestCluster } from "#support";
import { inTime, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile({ nodes: 3, gateways: 1 });
const { test } = cluster;

const SHORT_TTL_MS = 5000;
/** A step of replicated time, which a node may have applied a moment before the leader. */
const TICK_MS = 1000;
/** It does not end while a test runs. */
const LONG_TTL_MS = 600_000;

/** Which of the keys are there, at one revision. */
async function present({ kv }: Quorate, keys: readonly string[]): Promise<number> {
  const records = await kv.batchGet(keys);
  return records.filter((record) => record !== undefined).length;
}

/** Puts the keys under a lease that is short; where a busy machine let it end before, under another one. */
function putLeased(client: Quorate, keys: readonly string[]): Promise<{ lease: Lease; grantedAt: number }> {
  return inTime("the keys have a lease", async () => {
    const grantedAt = performance.now();
    const lease = await client.leases.grant({ ttlMs: SHORT_TTL_MS, keepAlive: false });
    const puts = keys.map((key) => op.put(key, "x", { leaseId: lease.id }));
    const refusal = await client.kv
      .txn()
      .do(...puts)
      .commit()
      .then(
        () => null,
        (failure: unknown) => failure,
      );
    if (refusal === null) return { lease, grantedAt };
    const afterMs = performance.now() - grantedAt;
    const hasEnded = refusal instanceof QuorateError && refusal.reason === "UNKNOWN_LEASE";
    if (hasEnded && afterMs >= SHORT_TTL_MS) return null;
    throw new NeverWill(`keys of a lease were refused after ${afterMs} ms: ${refusal}`);
  });
}

test("A22: keys of a lease vanish together when it ends, and never early", async (c) => {
  const client = c.client();
  const keys = ["together/a", "together/b", "together/c"];
  await client.kv.put("together/free", "x");
  const { lease, grantedAt } = await putLeased(client, keys);
  const seen = await inTime("the keys are gone", async () => {
    const count = await present(client, keys);
    if (count === keys.length) return false;
    return { count, afterMs: performance.now() - grantedAt };
  });
  expect(seen.count).toBe(0);
  expect(seen.afterMs).toBeGreaterThanOrEqual(SHORT_TTL_MS);
  for (const node of c.numbers) expect(await c.client(node).kv.count({ prefix: "together/" })).toBe(1);
  await expect(client.leases.timeToLive(lease.id)).rejects.toMatchObject({ reason: "UNKNOWN_LEASE" });
  await expect(client.kv.put("together/late", "x", { leaseId: lease.id })).rejects.toMatchObject({
    reason: "UNKNOWN_LEASE",
    outcome: "not_applied",
  });
});

/** When a lease ends, in replicated time, to which the times before and after it was asked for its time bound it. */
async function endOf(
  c: TestCluster,
  client: Quorate,
  id: bigint,
): Promise<{ readonly remainingMs: number; readonly endMin: number; readonly endMax: number }> {
  const replicatedMs = async () => (await c.status(await c.leader())).replicatedTimeMs;
  const before = await replicatedMs();
  const { remainingMs } = await client.leases.timeToLive(id);
  return { remainingMs, endMin: before + remainingMs, endMax: (await replicatedMs()) + remainingMs };
}

test("A22: the time to live is neither reset nor lost by three leader changes in a row", async (c) => {
  const client = c.client();
  const keys = ["changes/a", "changes/b"];
  const long = await client.leases.grant({ ttlMs: LONG_TTL_MS, keepAlive: false });
  const { grantedAt } = await putLeased(client, keys);
  const first = await endOf(c, client, long.id);
  let { remainingMs } = first;
  for (let change = 0; change < 3; change += 1) {
    const old = await c.leader();
    await c.kill(old);
    const now = await endOf(c, client, long.id);
    expect(now.endMin).toBeLessThanOrEqual(first.endMax + TICK_MS);
    expect(now.endMax).toBeGreaterThanOrEqual(first.endMin - TICK_MS);
    expect(now.remainingMs).toBeLessThanOrEqual(remainingMs);
    remainingMs = now.remainingMs;
    await c.restart(old);
  }
  expect(remainingMs).toBeLessThan(LONG_TTL_MS);
  await inTime("the keys of the other one are gone, together, and not early", async () => {
    const count = await present(client, keys);
    const sinceMs = performance.now() - grantedAt;
    if (count < keys.length && (count > 0 || sinceMs < SHORT_TTL_MS)) {
      throw new NeverWill(`${count} of the keys are there after ${sinceMs} ms`);
    }
    return count === 0;
  });
  await long.revoke();
});

test("A22: a lease that is revoked is gone at once, and its holder is told", async (c) => {
  const client = c.client(c.gateway().address);
  const lease = await client.leases.grant({ ttlMs: LONG_TTL_MS });
  await client.kv.put("kept", "x", { leaseId: lease.id });
  expect((await client.leases.list()).map(({ id }) => id)).toContain(lease.id);
  const { keys } = await client.leases.timeToLive(lease.id, { keys: true });
  expect(keys).toHaveLength(1);
  expect(await lease.revoke()).toBe(1);
  expect(lease.signal.aborted).toBe(true);
  expect(await client.kv.exists("kept")).toBe(0);
});
