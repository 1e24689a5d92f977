import { expect } from "@jest/globals";
import { bytes, clusterOfFile, type TestCluster, text } from "../support";
import { cutLog } from "./cut-log";
import { Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const KEPT = 20;
// A log so short that a follower that was away needs a snapshot.
const SHORT_LOG = ["--log-entries-max", "200", "--log-entries-kept", String(KEPT)];
// A transfer is called off after two election timeouts: the fast timing is too hasty for a busy machine.
const cluster = clusterOfFile({ profile: "default", nodeArgs: () => SHORT_LOG });

/** Reads of one node at once, none of which may be older than what was written before: answered by the node itself. */
async function expectReads(cluster: TestCluster, node: number, key: string, value: string): Promise<void> {
  const replies = await Promise.all(
    Array.from({ length: 10 }, () => cluster.node(node).kv.call("get", { key: bytes(key) })),
  );
  const seen = replies.map(({ header, record }) => ({
    by: header?.memberId,
    value: text(record?.value ?? bytes("")),
  }));
  expect(seen).toEqual(replies.map(() => ({ by: `n${node}`, value })));
}

/** Writes until it is told to stop, while it reads what was just written of one node or another. */
async function readingWhatIsWritten(cluster: TestCluster, key: string, rounds: number): Promise<void> {
  const kv = patientKv(cluster);
  for (let round = 0; round < rounds; round += 1) {
    await kv.put(key, `value ${round}`);
    for (const node of cluster.live) await expectReads(cluster, node, key, `value ${round}`);
  }
}

cluster.test(
  "C5: ten reads at once, of the leader and of each follower, right after a write",
  async (cluster) => {
    await cluster.leader();
    await readingWhatIsWritten(cluster, "c5", 5);
  },
);

cluster.test("C5: with writes under way, each read sees what was written before it", async (cluster) => {
  await cluster.leader();
  const load = Load.closedLoop(patientKv(cluster), "c5-load-", { callers: 8 });
  await readingWhatIsWritten(cluster, "c5-with-writes", 8);
  await load.stop();
  expect([...load.refused, ...load.open]).toEqual([]);
});

cluster.test("C5: after a leader change, each node sees what the old leader had written", async (cluster) => {
  const kv = patientKv(cluster);
  for (let round = 0; round < 2; round += 1) {
    const [target] = (await cluster.followers()) as [number];
    await kv.put("c5-change", `value ${round}`);
    await inTime(`n${target} leads`, async () => {
      const reply = await cluster
        .node(target)
        .admin.attempt("transferLeadership", { memberId: `n${target}` });
      return reply.ok;
    });
    for (const node of cluster.live) await expectReads(cluster, node, "c5-change", `value ${round}`);
  }
  const leader = await cluster.leader();
  await kv.put("c5-change", "of the one that died");
  await cluster.kill(leader);
  for (const node of cluster.live) await expectReads(cluster, node, "c5-change", "of the one that died");
  await cluster.restart(leader);
  await expectReads(cluster, leader, "c5-change", "of the one that died");
});

cluster.test("C5: after a pause, a follower sees what was written meanwhile", async (cluster) => {
  // Through the leader alone: a client that is at the paused node waits for it a while before it turns to another.
  const kv = patientKv(cluster, await cluster.leader());
  for (const follower of await cluster.followers()) {
    await kv.put("c5-pause", "before");
    await cluster.agree();
    cluster.pause(follower);
    // These wait in its sockets: it takes them up before it can hear of anything else.
    const early = Promise.all([1, 2].map(() => expectReads(cluster, follower, "c5-pause", "after")));
    await kv.put("c5-pause", "after");
    cluster.resume(follower);
    await early;
    await expectReads(cluster, follower, "c5-pause", "after");
  }
});

cluster.test(
  "C5: after a snapshot, a follower sees what it was brought and what came after",
  async (cluster) => {
    const kv = patientKv(cluster);
    const [away] = (await cluster.followers()) as [number];
    await cluster.kill(away);
    await Load.closedLoop(patientKv(cluster, cluster.live), "c5-snapshot-", {
      callers: 16,
      writesMax: 100,
    }).done();
    for (const node of cluster.live) await cutLog(cluster, node, KEPT);
    const { lastIndex } = await cluster.status(await cluster.leader());
    await kv.put("c5-snapshot", "brought");
    await cluster.restart(away);
    await expectReads(cluster, away, "c5-snapshot", "brought");
    expect((await cluster.status(away)).logFirstIndex).toBeGreaterThan(lastIndex - 100);
    await inTime("it is a member like any other", async () => (await cluster.status(away)).lag === 0);
    await readingWhatIsWritten(cluster, "c5-after-snapshot", 3);
  },
);
