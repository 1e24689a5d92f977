import { expect } from "@jest/globals";
import { clusterOfFile } from "#support";
import { inTime, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile({ nodes: 3, gateways: 1 });

cluster.test(
  "A22: a lease that is kept alive lives, through the gateway and across the loss of the leader; revoked it is gone at once",
  async (c) => {
    const client = c.client(c.gateway().address, { deadlineMs: 60_000 });
    const ttlMs = 9000;
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
  },
);
