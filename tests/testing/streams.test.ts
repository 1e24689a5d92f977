import { describe, expect, test } from "@jest/globals";
import type { Lease } from "@quorate/client";
import { startCluster, type TestCluster, type TestNode } from "@quorate/testing";
import { eventually } from "#support";

const TTL_MS = 1500;

/** A lease whose renewals go to a follower, which passes them on to the leader. */
async function leaseThroughFollower(cluster: TestCluster): Promise<{ lease: Lease; follower: TestNode }> {
  const leader = await cluster.leader();
  const follower = cluster.nodes.find((node) => node !== leader)!;
  const lease = await follower.client().leases.grant({ ttlMs: TTL_MS });
  return { lease, follower };
}

describe.each([
  { where: "in memory", options: { clock: "virtual", seed: 71 } },
  { where: "on disk over gRPC", options: { storage: "disk", seed: 72 } },
] as const)("a stream that a follower passes on, $where", ({ options }) => {
  const passed = async (cluster: TestCluster, isSo: () => boolean): Promise<void> => {
    await eventually(
      "it is so",
      async () => {
        if ("clock" in options) await cluster.advance(20);
        return isSo();
      },
      { deadlineMs: 20_000 },
    );
  };

  /** Longer than a lease lives that nobody renews. */
  const moreThanItsTime = (cluster: TestCluster): Promise<void> => {
    let looks = 0;
    return passed(cluster, () => {
      looks += 1;
      return looks > TTL_MS / 15;
    });
  };

  test("is cut with the link between the two, and begins anew when that is healed", async () => {
    await using cluster = await startCluster(options);
    const { lease, follower } = await leaseThroughFollower(cluster);
    await moreThanItsTime(cluster);
    expect(lease.signal.aborted).toBe(false);
    cluster.isolate(follower);
    await passed(cluster, () => lease.signal.aborted);
    cluster.heal();
    const next = await cluster.advanceUntil(follower.client().leases.grant({ ttlMs: TTL_MS }));
    await moreThanItsTime(cluster);
    expect(next.signal.aborted).toBe(false);
  });

  test("hangs while its node is paused", async () => {
    await using cluster = await startCluster({ ...options, nodes: 1 });
    const node = await cluster.leader();
    const lease = await node.client().leases.grant({ ttlMs: TTL_MS });
    await moreThanItsTime(cluster);
    expect(lease.signal.aborted).toBe(false);
    await node.pause();
    await passed(cluster, () => lease.signal.aborted);
    await node.resume();
    const next = await cluster.advanceUntil(node.client().leases.grant({ ttlMs: TTL_MS }));
    expect(next.signal.aborted).toBe(false);
  });
});
