import { expect, test } from "@jest/globals";
import { startCluster, TestClusterError } from "@quorate/testing";

test("M1: a cluster in memory takes writes as soon as it has started", async () => {
  await using cluster = await startCluster();
  await cluster.kv.put("greeting", "hello");
  expect(await cluster.kv.getText("greeting")).toBe("hello");
});

test("M1: every node serves the whole API, the leader or not", async () => {
  await using cluster = await startCluster({ seed: 7 });
  const names = await cluster.onAllNodes(async (node) => {
    await node.kv.put(`from/${node.id}`, node.id);
    return node.kv.getText(`from/${node.id}`);
  });
  expect(names).toEqual(["n1", "n2", "n3"]);
  const keys: string[] = [];
  for await (const { key } of cluster.node("n2").kv.scan({ prefix: "from/" })) keys.push(key.toString());
  expect(keys).toHaveLength(3);
  const leader = await cluster.leader();
  expect(await leader.status()).toMatchObject({ memberId: leader.id, role: "leader", health: "healthy" });
  expect(await cluster.onRandomNode((node) => node.kv.getText("from/n3"))).toBe("n3");
  await cluster.verifyConsistency();
});

test("options that cannot be are refused in words", async () => {
  await expect(startCluster({ nodes: 0 })).rejects.toThrow(
    "nodes must be a whole number from 1 to 19, not 0",
  );
  await expect(startCluster({ storage: "disk", clock: "virtual" })).rejects.toThrow(
    'clock "virtual" goes with storage "memory" only',
  );
  await using cluster = await startCluster({ nodes: 1 });
  expect(() => cluster.node(2)).toThrow(TestClusterError);
  expect(() => cluster.endpoints).toThrow("call await cluster.listen() first");
  await expect(cluster.advance(10)).rejects.toThrow('start it with { clock: "virtual" }');
});
