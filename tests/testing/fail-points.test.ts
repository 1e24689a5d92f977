import { describe, expect, test } from "@jest/globals";
import { type FailPointName, startCluster, type TestCluster, type TestNode } from "@quorate/testing";

/** However busy the machine is that elects another leader. */
const PATIENT = { deadlineMs: 60_000 };

async function pick(cluster: TestCluster, role: "leader" | "follower"): Promise<TestNode> {
  const leader = await cluster.leader();
  return role === "leader" ? leader : (cluster.nodes.find((node) => node !== leader) as TestNode);
}

const places = [
  { role: "leader", point: "log.append.before" },
  { role: "leader", point: "log.append.after" },
  { role: "leader", point: "state.write.before" },
  { role: "leader", point: "transport.send.after" },
  { role: "follower", point: "log.append.before" },
  { role: "follower", point: "log.append.after" },
  { role: "follower", point: "state.write.after" },
] as const satisfies readonly { role: "leader" | "follower"; point: FailPointName }[];

describe.each(places)("the $role at $point", ({ role, point }) => {
  test("J9: a crash loses no acknowledged write, and none is applied twice", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 9 });
    await cluster.kv.increment("n");
    const node = await pick(cluster, role);
    node.failPoints.set(point, "crash", { hits: 1 });
    const writes = Array.from({ length: 5 }, () => cluster.kv.increment("n"));
    await node.failPoints.reached(point);
    expect(node.isUp).toBe(false);
    await cluster.advanceUntil(Promise.all(writes));
    await node.restart();
    await cluster.verifyConsistency();
    expect(await node.kv.getText("n")).toBe("6");
  });

  test("J9: a pause holds the node up until it is cleared", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 9 });
    await cluster.kv.increment("n");
    const node = await pick(cluster, role);
    node.failPoints.set(point, "pause");
    const writes = Array.from({ length: 5 }, () => cluster.kv.increment("n"));
    await node.failPoints.reached(point);
    await cluster.advance(100);
    expect(node.isUp).toBe(true);
    node.failPoints.clear();
    await cluster.advanceUntil(Promise.all(writes));
    await cluster.verifyConsistency();
    expect(await node.kv.getText("n")).toBe("6");
  });
});

test("J9: a follower whose log is held up holds up nobody else", async () => {
  await using cluster = await startCluster({ seed: 9 });
  const node = await pick(cluster, "follower");
  node.failPoints.set("log.append.before", "pause");
  for (let at = 0; at < 5; at += 1) await cluster.kv.increment("n");
  await node.failPoints.reached("log.append.before");
  expect((await node.status()).appliedIndex).toBeLessThan(
    (await (await cluster.leader()).status()).appliedIndex,
  );
  node.failPoints.clear();
  await cluster.verifyConsistency();
  expect(await node.kv.getText("n", { consistency: "stale" })).toBe("5");
});

describe.each(["memory", "disk"] as const)("a store that fails, storage %s", (storage) => {
  test("J9: an error of the log ends its node, which says why; the others go on", async () => {
    await using cluster = await startCluster({ storage, seed: 9 });
    const { kv } = cluster.client(PATIENT);
    await kv.put("a", "1");
    const node = await pick(cluster, "leader");
    node.failPoints.set("log.append.before", "error", { hits: 1 });
    await kv.put("a", "2");
    expect(node.isUp).toBe(false);
    expect(node.failure?.message).toContain("the store failed at log.append.before, as the test asked");
    const next = await cluster.leader(PATIENT);
    expect(next).not.toBe(node);
    await node.restart();
    expect(node.failure).toBeNull();
    await cluster.verifyConsistency(PATIENT);
    expect(await node.client(PATIENT).kv.getText("a")).toBe("2");
  });
});

test("J9: a node on disk crashes at a fail point and comes back with what it had promised", async () => {
  await using cluster = await startCluster({ storage: "disk", seed: 9 });
  const node = await pick(cluster, "follower");
  const { kv } = cluster.client(PATIENT);
  await kv.put("a", "1");
  node.failPoints.set("log.append.after", "crash", { hits: 1 });
  await kv.put("a", "2");
  await node.failPoints.reached("log.append.after");
  await node.restart();
  await cluster.verifyConsistency(PATIENT);
  expect(await node.client(PATIENT).kv.getText("a")).toBe("2");
});
