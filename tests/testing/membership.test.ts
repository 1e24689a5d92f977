import { describe, expect, test } from "@jest/globals";
import { breakStream, firstChunks } from "@quorate/services/faults";
import { startCluster } from "@quorate/testing";
import { eventually } from "../support/eventually";

/** However busy the machine. */
const PATIENT = { deadlineMs: 60_000 };
const SHORT_LOG = { entriesMax: 50, entriesKept: 10 };

describe.each(["memory", "disk"] as const)("on %s, the nodes of a test", (storage) => {
  test("grow from three to five, and each of the first three goes", async () => {
    await using cluster = await startCluster({ storage, logKeeping: SHORT_LOG });
    for (let at = 0; at < 80; at += 1) await cluster.kv.put(`key-${at}`, `value-${at}`);
    const fourth = await cluster.addNode(PATIENT);
    const fifth = await cluster.addNode(PATIENT);
    expect([fourth.id, fifth.id]).toEqual(["n4", "n5"]);
    await cluster.kv.put("of", "five");
    await cluster.verifyConsistency(PATIENT);
    for (const id of ["n1", "n2", "n3"]) {
      await cluster.removeNode(id, PATIENT);
      await cluster.client(PATIENT).kv.put("without", id);
    }
    expect(cluster.nodes.map(({ id }) => id)).toEqual(["n4", "n5"]);
    await cluster.verifyConsistency(PATIENT);
    expect(await fourth.kv.getText("key-79")).toBe("value-79");
  });

  test("a learner holds everything and does not vote", async () => {
    await using cluster = await startCluster({ storage });
    await cluster.kv.put("k", "v");
    const learner = await cluster.addNode({ as: "learner", ...PATIENT });
    await cluster.kv.put("k", "w");
    await cluster.verifyConsistency(PATIENT);
    expect((await learner.status()).voters).toEqual(["n1", "n2", "n3"]);
  });

  test("one that was away too long catches up by a snapshot, though its stream breaks", async () => {
    await using cluster = await startCluster({ storage, logKeeping: SHORT_LOG });
    const away = (await cluster.leader()).id === "n1" ? "n2" : "n1";
    await cluster.kill(away);
    const client = cluster.client(PATIENT);
    for (let at = 0; at < 120; at += 1) await client.kv.put(`key-${at % 20}`, `value-${at}`);
    // What a member still lacks that was heard of lately is kept for it.
    await eventually(
      "the log that it lacks is cut",
      async () => {
        const leader = await cluster.leader();
        await client.cluster.takeSnapshot({ address: leader.address });
        return (await leader.status()).logFirstIndex > 60;
      },
      { intervalMs: 100 },
    );
    cluster.addImageFilter(firstChunks(1, breakStream()));
    await cluster.restart(away);
    await cluster.verifyConsistency(PATIENT);
    expect((await cluster.node(away).status()).logFirstIndex).toBeGreaterThan(1);
  });
});

test("a restarted node that was removed learns of it and ends", async () => {
  await using cluster = await startCluster({ storage: "memory", nodes: 4 });
  const removed = (await cluster.leader()).id === "n4" ? "n3" : "n4";
  const operator = cluster.client(PATIENT);
  // Before its data directory was recorded nobody could tell it apart.
  await eventually("its directory is recorded", async () =>
    (await operator.cluster.members()).some(
      ({ memberId, storeId }) => memberId === removed && storeId !== "",
    ),
  );
  await cluster.kill(removed);
  await operator.cluster.removeMember(removed);
  const node = cluster.node(removed);
  await node.restart();
  await eventually("it ends", () => !node.isUp);
  await operator.kv.put("goes", "on");
});
