import { expect, test } from "@jest/globals";
import { delay, direction, startCluster, type TestNode } from "@quorate/testing";

test("C7: a client reads its own writes on a follower that lags, without asking the leader; others may read the past", async () => {
  await using cluster = await startCluster({ clock: "virtual", seed: 71 });
  const leader = await cluster.leader();
  const follower = cluster.nodes.find((node) => node !== leader) as TestNode;
  const { kv } = follower.client();
  await kv.put("a", "old");
  await cluster.verifyConsistency();
  cluster.addFilter(direction({ from: leader.id, to: follower.id }, delay(40)));
  const written = await cluster.advanceUntil(kv.put("a", "new"));
  expect(await kv.getText("a", { consistency: "stale" })).toBe("old");
  let revision = 0;
  const onHeader = (header: { readonly revision: number }) => {
    revision = header.revision;
  };
  const own = kv.getText("a", { consistency: "session", onHeader });
  expect(await cluster.advanceUntil(own)).toBe("new");
  expect(revision).toBeGreaterThanOrEqual(written.revision);
  const scanned: string[] = [];
  for await (const record of kv.scan({}, { consistency: "session" })) scanned.push(record.text());
  expect(scanned).toEqual(["new"]);
});
