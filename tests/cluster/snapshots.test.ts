import { join } from "node:path";
import { expect } from "@jest/globals";
import { diskBytes } from "@quorate/services/storage";
import { clusterOfFile, isLongRun, type TestCluster } from "../support";
import { cutLog } from "./cut-log";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const ROUNDS = isLongRun ? 3 : 1;
const PAUSES = isLongRun ? 3 : 2;
const INSTALLED = /installed a snapshot/g;
const KEPT = 20;
/** The log is cut when it is longer. */
const ENTRIES_MAX = 100;
const SHORT_LOG = ["--log-entries-max", String(ENTRIES_MAX), "--log-entries-kept", String(KEPT)];
// With the fast timing a busy machine elects now and then, and a write without a request id has an unknown outcome.
const cluster = clusterOfFile({ profile: "default", nodeArgs: () => SHORT_LOG });

async function written(
  cluster: TestCluster,
  prefix: string,
  writes: number,
  { valueBytes = 0, through = cluster.live } = {},
): Promise<Load> {
  const load = Load.closedLoop(patientKv(cluster, through), prefix, {
    callers: 16,
    writesMax: writes,
    valueBytes,
  });
  return load.done();
}

/** Cuts the logs of all that run as far as they can be. */
async function cut(cluster: TestCluster): Promise<void> {
  for (const node of cluster.live) await cutLog(cluster, node, KEPT);
}

async function awayAndBack(cluster: TestCluster, prefix: string): Promise<{ away: number; load: Load }> {
  const [away] = (await cluster.followers()) as [number];
  await cluster.kill(away);
  const load = await written(cluster, prefix, 2 * ENTRIES_MAX);
  await cut(cluster);
  return { away, load };
}

cluster.test("F1: the log is cut by itself, and its disk use falls", async (cluster) => {
  const node = await cluster.leader();
  const writes = 4 * ENTRIES_MAX;
  await written(cluster, "f1-", writes, { valueBytes: 32 * 1024 });
  const log = join(cluster.dataDir(node), "log");
  await inTime("the log is short", async () => {
    const { logFirstIndex, lastIndex, snapshotIndex } = await cluster.status(node);
    expect(snapshotIndex).toBeGreaterThan(writes / 2);
    expect(logFirstIndex).toBeGreaterThan(writes / 2);
    return lastIndex - logFirstIndex < 2 * ENTRIES_MAX;
  });
  await cutLog(cluster, node, KEPT);
  expect((await cluster.status(node)).logFirstIndex).toBeGreaterThan(writes - 2 * KEPT);
  await inTime("the space is returned", async () => (await diskBytes(log)) < 8 * 1024 * 1024);
});

// Before any snapshot is sent: behind one that was, the log is kept for a while.
cluster.test("F4: 50 entries behind, again and again: caught up from the log", async (cluster) => {
  const kv = patientKv(cluster);
  const installations = (node: number): number => cluster.logs(node).match(INSTALLED)?.length ?? 0;
  for (let round = 0; round < PAUSES; round += 1) {
    for (const follower of await cluster.followers()) {
      // What is left of the log and what is added are too few for it to be cut by itself meanwhile.
      await cut(cluster);
      const before = installations(follower);
      cluster.pause(follower);
      const through = cluster.numbers.filter((node) => node !== follower);
      await written(cluster, `f4-${round}-${follower}-`, 50, { through });
      cluster.resume(follower);
      await cluster.agree();
      expect(installations(follower)).toBe(before);
    }
  }
  expect(await kv.count({ prefix: "f4-" })).toBe(PAUSES * 2 * 50);
});

cluster.test(
  "F2, C5: a long-stopped follower catches up by snapshot, agrees, and serves reads",
  async (cluster) => {
    const { lastIndex } = await cluster.status(await cluster.leader());
    const { away, load } = await awayAndBack(cluster, "f2-");
    await cluster.restart(away);
    await cluster.agree();
    expect((await cluster.status(away)).logFirstIndex).toBeGreaterThan(lastIndex);
    expect(cluster.logs(away)).toMatch(/snapshot/i);
    await expectNothingLost(patientKv(cluster, away), load);
  },
);

cluster.test(
  "E6: term, vote, membership, log, snapshot and applied index survive a restart",
  async (cluster) => {
    await written(cluster, "e6-", 2 * ENTRIES_MAX);
    await cut(cluster);
    await cluster.agree();
    const before = await Promise.all(cluster.numbers.map((node) => cluster.status(node)));
    await cluster.killAll();
    await cluster.restartAll();
    await cluster.agree();
    for (const [at, node] of cluster.numbers.entries()) {
      const earlier = before[at] as (typeof before)[number];
      const now = await cluster.status(node);
      expect(now.term).toBeGreaterThan(earlier.term);
      expect(now).toMatchObject({
        storeId: earlier.storeId,
        clusterId: earlier.clusterId,
        voters: earlier.voters,
        revision: earlier.revision,
      });
      expect(now.logFirstIndex).toBeGreaterThanOrEqual(earlier.logFirstIndex);
      expect(now.snapshotIndex).toBeGreaterThanOrEqual(earlier.snapshotIndex);
      expect(now.appliedIndex).toBeGreaterThanOrEqual(earlier.appliedIndex);
    }
  },
);

cluster.test(
  "C10: a repeated request id is applied once, across a snapshot and a change of leader",
  async (cluster) => {
    const leader = await cluster.leader();
    const kv = cluster.node(leader).kv;
    const { clientId } = await kv.call("openSession", { ttlMs: 600_000n });
    const metadata = { "quorate-request-id": `${clientId}/1/1` };
    const request = { key: Buffer.from("c10"), delta: 7n };
    const first = await kv.call("increment", request, { metadata });
    const { away } = await awayAndBack(cluster, "c10-");
    await cluster.restart(away);
    await cluster.agree();
    await inTime("it leads", async () => {
      await cluster.node(away).admin.attempt("transferLeadership", { memberId: `n${away}` });
      return (await cluster.leader()) === away;
    });
    const again = await cluster.node(away).kv.call("increment", request, { metadata });
    expect({ value: again.value, revision: again.header?.revision }).toEqual({
      value: first.value,
      revision: first.header?.revision,
    });
    expect(await patientKv(cluster, away).getText("c10")).toBe("7");
  },
);

cluster.test(
  "F3: a snapshot under load, with the receiver killed midway, comes in the end",
  async (cluster) => {
    const { away } = await awayAndBack(cluster, "f3-");
    const load = Load.closedLoop(patientKv(cluster, cluster.live), "f3-during-", {
      callers: 4,
      valueBytes: 2000,
    });
    for (let round = 0; round < ROUNDS; round += 1) {
      cluster.launch(away);
      await inTime("it is up", () => cluster.status(away));
      await cluster.kill(away);
      const before = load.acknowledged.size;
      await inTime("writes go on", () => load.acknowledged.size >= before + 2 * KEPT);
      await cut(cluster);
    }
    await cluster.restart(away);
    await load.stop();
    await cluster.agree();
    expect([...load.refused, ...load.open]).toEqual([]);
    await expectNothingLost(patientKv(cluster, away), load);
  },
);

cluster.test("F3: the leader that sends dies midway; another one goes on", async (cluster) => {
  const { away, load } = await awayAndBack(cluster, "f3-leader-");
  const leader = await cluster.leader();
  cluster.launch(away);
  await cluster.kill(leader);
  await cluster.restart(leader);
  await cluster.agree();
  await expectNothingLost(patientKv(cluster, away), load);
});
