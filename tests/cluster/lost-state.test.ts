import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "@jest/globals";
import { Consistency } from "@quorate/client/generated";
import { bytes, clusterOfFile, type TestCluster, text } from "../support";
import { filesOf, flipBit, largestFile } from "../unit/storage/damaged-files";
import { cutLog } from "./cut-log";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const KEPT = 20;
// A log so short that nothing can be built anew from it.
const SHORT_LOG = ["--log-entries-max", "100", "--log-entries-kept", String(KEPT)];
// With the fast timing a busy machine elects now and then, and a change of members fails.
const cluster = clusterOfFile({ profile: "default", spares: 1, nodeArgs: () => SHORT_LOG });

/** Between two looks at what a node answers. */
const LOOK_MS = 5;

/** A follower that has ended, whose log has lost its beginning. */
async function endedFollower(cluster: TestCluster, prefix: string): Promise<{ node: number; load: Load }> {
  const { lastIndex } = await cluster.status(await cluster.leader());
  const load = Load.closedLoop(patientKv(cluster), prefix, { callers: 16, writesMax: 200, valueBytes: 1000 });
  await load.done();
  await patientKv(cluster).put("overwritten", prefix);
  await cluster.agree();
  const [node] = (await cluster.followers()) as [number];
  await cutLog(cluster, node, KEPT);
  expect((await cluster.status(node)).logFirstIndex).toBeGreaterThan(lastIndex);
  // So that what it has lies in tables, and not in a log that LevelDB itself would read again.
  expect(await cluster.terminate(node)).toBe(0);
  return { node, load };
}

async function stateDatabase(cluster: TestCluster, node: number): Promise<string> {
  const [name = ""] = (await readFile(join(cluster.dataDir(node), "state.current"), "utf8"))
    .trim()
    .split(" ");
  return join(cluster.dataDir(node), name);
}

/** Asks the node itself for a key until told to stop: what it answers from the moment that it answers at all. */
function watchedReads(cluster: TestCluster, node: number, key: string) {
  const answers = new Set<string>();
  let isOver = false;
  const done = (async () => {
    while (!isOver) {
      const reply = await cluster
        .node(node)
        .kv.attempt("get", { key: bytes(key), consistency: Consistency.STALE }, { deadlineMs: 1000 });
      await delay(LOOK_MS);
      if (reply.ok) answers.add(text(reply.response.record?.value ?? bytes("none")));
    }
  })();
  return {
    async end(): Promise<readonly string[]> {
      isOver = true;
      await done;
      return [...answers];
    },
  };
}

const LOSSES: readonly (readonly [what: string, lose: (database: string) => Promise<void>])[] = [
  [
    "has a flipped bit in each table",
    async (database) => {
      for (const table of await filesOf(database, ".ldb")) await flipBit(table, 0.4);
      for (const log of await filesOf(database, ".log")) await flipBit(log, 0.4);
    },
  ],
  ["is gone", (database) => rm(database, { recursive: true })],
];

for (const [what, lose] of LOSSES) {
  cluster.test(
    `E8: a node whose state ${what} serves none of it: it is brought the state by the others`,
    async (cluster) => {
      const prefix = `e8 ${what} `;
      const { node, load } = await endedFollower(cluster, prefix);
      const before = cluster.logs(node).length;
      await lose(await stateDatabase(cluster, node));
      const reads = watchedReads(cluster, node, "overwritten");
      await cluster.restart(node);
      await cluster.agree();
      await inTime("it answers", async () => (await cluster.status(node)).lag === 0);
      expect(await reads.end()).toEqual([prefix]);
      await expectNothingLost(patientKv(cluster, node), load);
      const lines = cluster.logs(node).slice(before).split("\n");
      expect(
        lines.filter((line) => /brought|repair|from (its )?peers|others/i.test(line)).length,
      ).toBeGreaterThan(0);
      expect(lines.filter((line) => line.includes('"level":50'))).toEqual([]);
    },
  );
}

cluster.test(
  "E8: a node whose log is damaged refuses to start, in one line that names the command; what it names helps",
  async (cluster) => {
    const { node, load } = await endedFollower(cluster, "e8 log ");
    const before = cluster.logs(node).length;
    await flipBit(await largestFile(join(cluster.dataDir(node), "log"), ".log"), 0.2);
    cluster.launch(node);
    expect((await cluster.ended(node)).code).toBe(70);
    const errors = cluster
      .logs(node)
      .slice(before)
      .split("\n")
      .filter((line) => line.includes('"level":50'));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(`quorate member replace n${node} NEWID`);
    const { admin } = cluster.node(await cluster.leader());
    // What that command asks of the cluster (clients/cli).
    await admin.call("addMember", {
      memberId: "n4",
      clientAddress: cluster.address(4),
      peerAddress: `127.0.0.1:${cluster.topology.peerPort(4)}`,
      promoteWhenCaughtUp: true,
      replaces: `n${node}`,
    });
    cluster.leave(node);
    await cluster.join(4, await cluster.leader());
    await inTime("n4 votes in its place", async () => {
      const { voters } = await cluster.status(await cluster.leader());
      return voters.includes("n4") && !voters.includes(`n${node}`);
    });
    await cluster.agree();
    await expectNothingLost(patientKv(cluster, 4), load);
  },
);

cluster.test(
  "G6: a node whose state is lost learns that it was removed meanwhile, and says so",
  async (cluster) => {
    const { node } = await endedFollower(cluster, "g6 ");
    await rm(await stateDatabase(cluster, node), { recursive: true });
    const { admin } = cluster.node(await cluster.leader());
    await admin.call("removeMember", { memberId: `n${node}` });
    const before = cluster.logs(node).length;
    cluster.launch(node);
    expect((await cluster.ended(node)).code).toBe(3);
    expect(cluster.logs(node).slice(before)).toContain("that of a member that was removed from the cluster");
    cluster.leave(node);
  },
);
