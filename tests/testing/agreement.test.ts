import { describe, expect, test } from "@jest/globals";
import { type Kv, toText } from "@quorate/client";
import { byteKey } from "@quorate/services/kv";
import { utf8Encode } from "@quorate/services/std";
import { type ConsistencyError, startCluster, type TestCluster, type TestNode } from "@quorate/testing";

/** Writes a record past Raft into the state of one node, as a fault would. */
function forge(node: TestNode, key: string, value: string): void {
  const { state } = node.disks;
  const bytes = utf8Encode(value);
  const record = {
    key: utf8Encode(key),
    value: bytes,
    valueBytes: bytes.length,
    createRevision: state.revision,
    modRevision: state.revision,
    version: 1,
    leaseId: 0,
  };
  state.generation(1, state.presentGeneration(1)).put(byteKey(utf8Encode(key)), state.revision, record);
}

async function difference(cluster: TestCluster): Promise<ConsistencyError> {
  return cluster.verifyConsistency().then(
    () => {
      throw new Error("no difference was found");
    },
    (error: ConsistencyError) => error,
  );
}

/** However busy the machine is that elects another leader. */
const PATIENT = { deadlineMs: 60_000 };

/** Keys and values through each node, with patience. */
function patientKvs(cluster: TestCluster): (node: TestNode) => Kv {
  const kvs = new Map(cluster.nodes.map((node) => [node, node.client(PATIENT).kv] as const));
  return (node) => kvs.get(node) as Kv;
}

test("M2: create, insert, update, delete on random nodes; agreement after each", async () => {
  await using cluster = await startCluster({ seed: 2 });
  const keys = Array.from({ length: 12 }, (_, at) => `user/${at}`);
  for (const key of keys) {
    await cluster.onRandomNode(({ kv }) => kv.put(key, "new", { expectedModRevision: 0 }));
  }
  await cluster.verifyConsistency();
  await cluster.onRandomNode(({ kv }) => kv.increment("visits", 5));
  await cluster.verifyConsistency();
  for (const key of keys) await cluster.onRandomNode(({ kv }) => kv.put(key, `updated ${key}`));
  await cluster.verifyConsistency();
  for (const key of keys.slice(0, 6)) await cluster.onRandomNode(({ kv }) => kv.delete(key));
  await cluster.verifyConsistency();
  const counts = await cluster.onAllNodes(({ kv }) => kv.count({ prefix: "user/" }));
  expect(counts).toEqual([6, 6, 6]);
});

describe("verifyConsistency", () => {
  test("M3: it finds an injected count difference, naming the node and the first key", async () => {
    await using cluster = await startCluster();
    await cluster.kv.put("a", "1");
    await cluster.verifyConsistency();
    forge(cluster.node(2), "forged", "x");
    const error = await difference(cluster);
    expect(error).toMatchObject({ name: "ConsistencyError", node: "n2", namespace: "default" });
    expect(toText(error.key as Uint8Array)).toBe("forged");
    expect(error.message).toBe(
      'n2 differs from n1 and n3: in namespace default n2 has 2 keys, n1 and n3 have 1 key; first at key "forged" (666f72676564) of namespace default: n2 has 78, n1 and n3 have no such key',
    );
  });

  test("M3: it finds one changed byte, naming node and key, with both values", async () => {
    await using cluster = await startCluster();
    await cluster.kv.put("a", "1");
    await cluster.kv.put("b", "2");
    await cluster.verifyConsistency();
    forge(cluster.node(3), "b", "3");
    const error = await difference(cluster);
    expect(error).toMatchObject({ node: "n3", namespace: "default" });
    expect(error.message).toBe(
      'n3 differs from n1 and n2: at key "b" (62) of namespace default: n3 has 33, n1 and n2 have 32',
    );
  });

  test("M3: it finds one changed byte deep in a long value, and a difference of two nodes", async () => {
    await using cluster = await startCluster({ nodes: 2 });
    await cluster.kv.put("long", "x".repeat(5000));
    await cluster.verifyConsistency();
    forge(cluster.node(2), "long", `${"x".repeat(4000)}y${"x".repeat(999)}`);
    expect((await difference(cluster)).message).toMatch(
      /n2 has from byte 4000 on 7978.*, n1 has from byte 4000 on 7878/,
    );
  });

  test("it waits for a node that lags, and says which one does not come along", async () => {
    await using cluster = await startCluster({ clock: "virtual" });
    const leader = await cluster.leader();
    const [follower] = cluster.nodes.filter((node) => node !== leader);
    cluster.isolate(follower as TestNode);
    await leader.kv.put("a", "1");
    await expect(cluster.verifyConsistency({ deadlineMs: 500 })).rejects.toThrow(
      new RegExp(`did not come to the same entries within 500 ms.*${follower?.id} has applied`),
    );
    cluster.heal();
    await cluster.verifyConsistency();
  });
});

describe("nodes that are offline", () => {
  test("M4: node offline, writes, online: resynchronised, 3 cycles", async () => {
    await using cluster = await startCluster({ seed: 4 });
    const kvOf = patientKvs(cluster);
    for (const number of [1, 2, 3]) {
      await cluster.kill(number);
      for (let at = 0; at < 20; at += 1) {
        await cluster.onRandomNode((node) => kvOf(node).put(`cycle/${number}/${at}`, "written without it"));
      }
      await cluster.restart(number);
      await cluster.verifyConsistency(PATIENT);
      expect(await kvOf(cluster.node(number)).count({ prefix: "cycle/" })).toBe(20 * number);
    }
  });

  test("M4: all offline: a clear error", async () => {
    await using cluster = await startCluster();
    await cluster.onAllNodes((node) => node.kill());
    const clear = "all nodes are down: restart or resume one first";
    await expect(cluster.onRandomNode(() => {})).rejects.toThrow(clear);
    await expect(cluster.onAllNodes(() => {})).rejects.toThrow(clear);
    await expect(cluster.verifyConsistency()).rejects.toThrow(clear);
    await expect(cluster.leader()).rejects.toThrow("all nodes are down, and a leader needs 2");
    // Whichever of them it was that the client asked last before its deadline.
    await expect(cluster.kv.put("a", "1", { deadlineMs: 100 })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      outcome: "not_applied",
      message: expect.stringMatching(
        /^cannot reach n[123]\.memory:1: all nodes are down: restart one first$/,
      ),
    });
    await cluster.restart(1);
    await expect(cluster.leader()).rejects.toThrow("only 1 of 3 nodes run, and a leader needs 2");
    await cluster.restart(2);
    await cluster.leader(PATIENT);
    await cluster.client(PATIENT).kv.put("a", "1");
  });
});

test("M5: a mixed final workload leaves all nodes identical", async () => {
  await using cluster = await startCluster({ nodes: 5, seed: 5 });
  const kvOf = patientKvs(cluster);
  const worker = async (number: number): Promise<void> => {
    for (let at = 0; at < 25; at += 1) {
      const key = `${number}/${at % 7}`;
      await cluster.onRandomNode((node) => kvOf(node).put(key, `value ${at}`));
      await cluster.onRandomNode((node) => kvOf(node).increment("total"));
      await cluster.onRandomNode((node) => kvOf(node).append(`log/${number}`, "x"));
      if (at % 5 === 4) await cluster.onRandomNode((node) => kvOf(node).delete(key));
    }
  };
  const working = [1, 2, 3, 4].map(worker);
  const leader = await cluster.leader();
  await leader.kill();
  await cluster.leader(PATIENT);
  await leader.restart();
  await Promise.all(working);
  await cluster.client(PATIENT).kv.deleteRange({ prefix: "1/" });
  await cluster.verifyConsistency(PATIENT);
  expect(await cluster.kv.getText("total")).toBe("100");
  expect(await cluster.onAllNodes(({ kv }) => kv.getText("log/3"))).toEqual(
    Array.from({ length: 5 }, () => "x".repeat(25)),
  );
});
