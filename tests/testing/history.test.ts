import { expect, test } from "@jest/globals";
import { startCluster, type TestCluster } from "@quorate/testing";

/** The oldest revision that the default namespace can be read at. */
async function oldestRevision(cluster: TestCluster): Promise<number> {
  const listed = cluster.client().namespaces.list();
  const [namespace] = await cluster.advanceUntil(listed);
  return namespace?.oldestRevision ?? 0;
}

test("history by count is given up by itself, and what is kept can be read on each node", async () => {
  await using cluster = await startCluster({ clock: "virtual", seed: 7, history: { revisions: 32 } });
  const { kv } = cluster;
  for (let count = 1; count <= 100; count += 1) await cluster.advanceUntil(kv.put("k", String(count)));
  await cluster.advance(5_000);
  const oldest = await oldestRevision(cluster);
  expect(oldest).toBeGreaterThanOrEqual(64);
  expect(oldest).toBeLessThanOrEqual(68);
  const reads = cluster.onAllNodes(async (node) => {
    expect(await node.kv.getText("k", { revision: oldest })).toBe(String(oldest));
    const failure = await node.kv.get("k", { revision: oldest - 1 }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ reason: "COMPACTED", oldestRevision: oldest });
    const watch = node.kv.watch("k", { fromRevision: oldest + 1 });
    const first = await watch.next();
    expect(first.value).toMatchObject({ kind: "put", revision: oldest + 1 });
    watch.close();
  });
  await cluster.advanceUntil(reads);
  await cluster.verifyConsistency();
});

test("history by age is given up by itself, by replicated time, and not before", async () => {
  await using cluster = await startCluster({ clock: "virtual", seed: 8, history: { ageMs: 60_000 } });
  const { kv } = cluster;
  const { revision: old } = await cluster.advanceUntil(kv.put("k", "old"));
  await cluster.advanceUntil(kv.put("k", "newer"));
  await cluster.advance(50_000);
  expect(await cluster.advanceUntil(kv.getText("k", { revision: old }))).toBe("old");
  // A new leader knows how old a revision is, for every member keeps count.
  const leader = await cluster.leader();
  await leader.kill();
  await cluster.advance(5_000);
  await leader.restart();
  await cluster.advanceUntil(kv.put("k", "newest"));
  await cluster.advance(30_000);
  const failure = await cluster.advanceUntil(
    kv.get("k", { revision: old }).catch((thrown: unknown) => thrown),
  );
  expect(failure).toMatchObject({ reason: "COMPACTED" });
  expect(await cluster.advanceUntil(kv.getText("k"))).toBe("newest");
});
