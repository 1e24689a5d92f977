import { describe, expect, test } from "@jest/globals";
import type { Lease, Quorate } from "@quorate/client";
import { startCluster, type TestCluster } from "@quorate/testing";
import { eventually } from "#support";

const TTL_MS = 1500;
/** For calls that nothing is wrong with, however busy the machine. */
const PATIENT = { deadlineMs: 60_000 };

describe.each([
  { where: "in memory", options: { clock: "virtual", seed: 71 } },
  { where: "on disk over gRPC", options: { storage: "disk", seed: 72 } },
] as const)("a stream that a follower passes on, $where", ({ options }) => {
  /** Waits for something that time brings about. */
  const passed = async (cluster: TestCluster, what: string, isSo: () => Promise<boolean>): Promise<void> => {
    if (!("clock" in options)) {
      await eventually(what, isSo);
      return;
    }
    for (let steps = 0; steps < 1000; steps += 1) {
      if (await isSo()) return;
      await cluster.advance(20);
    }
    throw new Error(`it never came about: ${what}`);
  };

  /** A lease that lived for longer than its time. A machine that stood still may have lost one: then another one is. */
  const keptAlive = async (cluster: TestCluster, client: Quorate): Promise<Lease> => {
    let lease = await cluster.advanceUntil(client.leases.grant({ ttlMs: TTL_MS }));
    let grantedAtMs = cluster.nowMs;
    const teller = cluster.client(PATIENT);
    await passed(cluster, "the lease lives on", async () => {
      if (lease.signal.aborted) {
        if ("clock" in options)
          throw new Error("lost, and no machine stood still: it is virtual time that passes");
        lease = await client.leases.grant({ ttlMs: TTL_MS });
        grantedAtMs = cluster.nowMs;
      }
      const { remainingMs } = await teller.leases.timeToLive(lease.id);
      // After one renewal alone it would end after 4/3 of its time.
      return remainingMs > 0 && cluster.nowMs - grantedAtMs > 1.5 * TTL_MS;
    });
    return lease;
  };

  const lost = (cluster: TestCluster, lease: Lease): Promise<void> =>
    passed(cluster, "the lease is lost", async () => lease.signal.aborted);

  test("is cut with the link between the two, and begins anew when that is healed", async () => {
    await using cluster = await startCluster(options);
    const leader = await cluster.leader();
    const follower = cluster.nodes.find((node) => node !== leader)!;
    const client = follower.client(PATIENT);
    const lease = await keptAlive(cluster, client);
    cluster.isolate(follower);
    await lost(cluster, lease);
    cluster.heal();
    const next = await keptAlive(cluster, client);
    expect(next.id).not.toBe(lease.id);
  });

  test("hangs while its node is paused", async () => {
    await using cluster = await startCluster({ ...options, nodes: 1 });
    const node = await cluster.leader();
    const client = node.client(PATIENT);
    const lease = await keptAlive(cluster, client);
    node.pause();
    await lost(cluster, lease);
    node.resume();
    const next = await keptAlive(cluster, client);
    expect(next.id).not.toBe(lease.id);
  });
});
