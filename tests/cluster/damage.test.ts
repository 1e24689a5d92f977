import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "@jest/globals";
import { Role } from "@quorate/client/generated";
import { clusterOfFile, NeverWill, type TestCluster } from "../support";
import { cutTail, flipBit, largestFile, lastSegment } from "../unit/storage/damaged-files";
import { refuseLongFiles } from "./full-disk";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile();

// First, while the files of the nodes are short.
cluster.test(
  "E9: a full disk: no write is reported as done that is not, and the node comes back when there is space again",
  async (cluster) => {
    const node = await cluster.leader();
    const direct = cluster.client(node, { deadlineMs: 4000 });
    refuseLongFiles(cluster.pid(node));
    const before = Load.closedLoop(direct.kv, "e9-before-", { callers: 4, valueBytes: 40_000, restMs: 0 });
    expect(await cluster.ended(node)).toEqual({ code: 70, signal: null });
    await before.stop();
    expect(before.acknowledged.size).toBeGreaterThan(0);
    expect(before.open.size + before.refused.size).toBeGreaterThan(0);

    await cluster.leader();
    const kv = patientKv(cluster);
    const during = Load.closedLoop(kv, "e9-during-", { callers: 4, valueBytes: 20_000 });
    cluster.launch(node);
    refuseLongFiles(cluster.pid(node));
    expect(await cluster.ended(node)).toEqual({ code: 70, signal: null });
    const acknowledged = during.acknowledged.size;
    await inTime("the others go on", () => during.acknowledged.size >= acknowledged + 20);

    await cluster.restart(node);
    await during.stop();
    await cluster.leader();
    await cluster.agree();
    expect([...during.refused, ...during.open]).toEqual([]);
    await expectNothingLost(kv, before);
    await expectNothingLost(kv, during);
  },
);

/** Enough for the log to have many records, and LevelDB's own log many blocks. */
async function fill(cluster: TestCluster, prefix: string): Promise<Load> {
  const load = Load.closedLoop(patientKv(cluster), prefix, {
    callers: 8,
    writesMax: 80,
    valueBytes: 2500,
  });
  await load.done();
  await cluster.agree();
  return load;
}

/** What a life of a node said on errors, a sentence each. */
function errorsSince(cluster: TestCluster, node: number, before: string): string[] {
  return cluster
    .logs(node)
    .slice(before.length)
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { readonly level: number; readonly msg: string })
    .filter(({ level }) => level >= 50)
    .map(({ msg }) => msg);
}

cluster.test(
  "E8: a node whose log has a flipped bit below its tail refuses to start and says so in one line",
  async (cluster) => {
    const load = await fill(cluster, "e8-flipped-");
    const [node] = (await cluster.followers()) as [number];
    await cluster.kill(node);
    const whole = cluster.scratch("whole");
    await cp(cluster.dataDir(node), whole, { recursive: true });
    await flipBit(await largestFile(join(cluster.dataDir(node), "log"), ".log"), 0.4);
    const before = cluster.logs(node);
    cluster.launch(node);
    expect(await cluster.ended(node)).toEqual({ code: 70, signal: null });
    expect(errorsSince(cluster, node, before)).toEqual([
      expect.stringMatching(/^the node cannot start: .*log.* is damaged: .*start this member anew/),
    ]);
    expect(cluster.logs(node).trimEnd().split("\n").at(-1)).toMatch(
      /^quorate-node: data-dir: the log in .* is damaged: .*; to replace it: quorate member replace n\d NEWID$/,
    );
    expect(cluster.logs(node).slice(before.length)).not.toContain("ready: clients");
    // It refuses for good, and what it holds is there on the others.
    cluster.launch(node);
    expect(await cluster.ended(node)).toEqual({ code: 70, signal: null });
    await cluster.leader();
    await expectNothingLost(patientKv(cluster, cluster.live), load);
    // As its message says: the whole data directory restored, it comes back.
    await rm(cluster.dataDir(node), { recursive: true });
    await cp(whole, cluster.dataDir(node), { recursive: true });
    await cluster.restart(node);
    await cluster.agree();
  },
);

cluster.test(
  "E8: a node whose state has a flipped bit serves none of it: it builds the state anew from its log",
  async (cluster) => {
    const load = await fill(cluster, "e8-state-");
    const [node] = (await cluster.followers()) as [number];
    await cluster.kill(node);
    await flipBit(await largestFile(join(cluster.dataDir(node), "state-1"), ".log"), 0.4);
    await cluster.restart(node);
    await cluster.agree();
    await expectNothingLost(patientKv(cluster, node), load);
  },
);

cluster.test(
  "E8: a torn tail is cut: the node starts without its last append and catches up",
  async (cluster) => {
    const load = await fill(cluster, "e8-torn-");
    // Alone, the leader can still append, but nothing of that is promised to anybody.
    const node = await inTime("the leader appends what nobody else has", async () => {
      const leader = await cluster.leader();
      const followers = await cluster.followers();
      for (const follower of followers) cluster.pause(follower);
      const before = await cluster.status(leader);
      const lost = await cluster
        .node(leader)
        .kv.attempt("put", { key: Buffer.from("e8-torn") }, { deadlineMs: 500 });
      if (lost.ok) throw new NeverWill("what nobody else has was acknowledged");
      const after = await cluster.status(leader);
      // It may have noticed that it is alone before the write came.
      if (after.lastIndex > before.lastIndex) return leader;
      for (const follower of followers) cluster.resume(follower);
      return null;
    });
    for (const follower of cluster.numbers.filter((other) => other !== node)) await cluster.kill(follower);
    const deposed = await inTime("it has stepped down", async () => {
      const status = await cluster.status(node);
      return status.role !== Role.LEADER && status;
    });
    await cluster.kill(node);
    await cutTail(await lastSegment(join(cluster.dataDir(node), "log")), 3);
    await cluster.restart(node);
    expect((await cluster.status(node)).lastIndex).toBeLessThan(deposed.lastIndex);
    await cluster.restartAll();
    await cluster.agree();
    await expectNothingLost(patientKv(cluster), load);
  },
);
