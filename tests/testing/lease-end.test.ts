import { expect, test } from "@jest/globals";
import { startCluster } from "@quorate/testing";

/** Two steps of replicated time while there are leases, and a few of the network's and the leader's own. */
const LATE_MS_MAX = 600;

test.each(
  [500, 1000, 5000].flatMap((ttlMs) => [10, 210, 410, 610, 810].map((phaseMs) => [ttlMs, phaseMs] as const)),
)(
  "A22: a lease of %i ms, granted after %i ms, ends no earlier than that, and late by little more than half a second",
  async (ttlMs, phaseMs) => {
    await using cluster = await startCluster({ clock: "virtual", seed: ttlMs });
    const client = cluster.client();
    // Wherever between two steps of replicated time it is granted.
    await cluster.advance(phaseMs);
    const grantSentAtMs = cluster.nowMs;
    const lease = await cluster.advanceUntil(client.leases.grant({ ttlMs, keepAlive: false }));
    const grantedAtMs = cluster.nowMs;
    await cluster.advanceUntil(client.kv.put("k", "v", { leaseId: lease.id }));
    let seenAtMs = cluster.nowMs;
    while ((await cluster.advanceUntil(client.kv.exists("k"))) === 1) {
      seenAtMs = cluster.nowMs;
      expect(seenAtMs - grantedAtMs).toBeLessThan(ttlMs + LATE_MS_MAX);
      await cluster.advance(seenAtMs - grantedAtMs < ttlMs - 200 ? 100 : 10);
    }
    // Gone at some moment between the last look that found it and this one.
    expect(cluster.nowMs - grantSentAtMs).toBeGreaterThanOrEqual(ttlMs);
    expect(cluster.nowMs - seenAtMs).toBeLessThan(100);
  },
);

/** How long nobody leads with the fast timing, at most: until one campaigns, and what a split vote adds. */
const WITHOUT_LEADER_MS_MAX = 1500;
/** What a leader that dies takes with it: the part of a step that it had not told yet. */
const STEP_MS_MAX = 300;

test.each([1, 2, 3])(
  "A22: a lease ends no later for three leader changes in a row than for the time without a leader, and no earlier (seed %i)",
  async (seed) => {
    const ttlMs = 12_000;
    await using cluster = await startCluster({ clock: "virtual", seed });
    const client = cluster.client({ deadlineMs: 60_000 });
    const grantSentAtMs = cluster.nowMs;
    const lease = await cluster.advanceUntil(client.leases.grant({ ttlMs, keepAlive: false }));
    await cluster.advanceUntil(client.kv.put("k", "v", { leaseId: lease.id }));
    let lostMs = 0;
    for (let change = 0; change < 3; change += 1) {
      await cluster.advance(2000);
      const old = await cluster.leader();
      const killedAtMs = cluster.nowMs;
      await old.kill();
      expect((await cluster.leader()).id).not.toBe(old.id);
      expect(cluster.nowMs - killedAtMs).toBeLessThan(WITHOUT_LEADER_MS_MAX);
      lostMs += cluster.nowMs - killedAtMs + STEP_MS_MAX;
      await old.restart();
    }
    while ((await cluster.advanceUntil(client.kv.exists("k"))) === 1) {
      expect(cluster.nowMs - grantSentAtMs).toBeLessThan(ttlMs + lostMs + LATE_MS_MAX);
      await cluster.advance(100);
    }
    expect(cluster.nowMs - grantSentAtMs).toBeGreaterThanOrEqual(ttlMs);
  },
);
