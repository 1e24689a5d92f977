import { rmSync } from "node:fs";
import { describe, expect } from "@jest/globals";
import { Role } from "@quorate/client/generated";
import { bytes, Child, clusterOfFile, type NodeStatus, type TestCluster, Workplace } from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

describe("the status of a node", () => {
  // With the default timing a busy machine causes no elections amid the comparisons.
  const cluster = clusterOfFile({ profile: "default" });

  async function statuses(cluster: TestCluster): Promise<NodeStatus[]> {
    return Promise.all(cluster.numbers.map((node) => cluster.status(node)));
  }

  async function putMany(cluster: TestCluster, count: number): Promise<void> {
    const kv = patientKv(cluster);
    await Promise.all(Array.from({ length: count }, (_, at) => kv.put(`l4-${at}`, "x".repeat(1000))));
  }

  cluster.test(
    "L4: Status says who a node is, what it does, how far it is and what it uses",
    async (cluster) => {
      const leader = await cluster.leader();
      await putMany(cluster, 20);
      await cluster.agree();
      const before = await statuses(cluster);
      expect(new Set(before.map(({ clusterId }) => clusterId)).size).toBe(1);
      expect(new Set(before.map(({ storeId }) => storeId)).size).toBe(3);
      for (const [at, status] of before.entries()) {
        const node = at + 1;
        expect(status).toMatchObject({
          memberId: `n${node}`,
          role: node === leader ? Role.LEADER : Role.FOLLOWER,
          term: before[leader - 1]?.term,
          leaderId: `n${leader}`,
          leaderAddress: cluster.address(leader),
          snapshotIndex: 0,
          lag: 0,
          limits: { keyBytesMax: 4096n, valueBytesMax: 1_048_576n, requestBytesMax: 2_097_152n },
        });
        expect(status.storeId).toMatch(/^.{8,}$/);
        expect(status.softwareVersion).toMatch(/^\d+\.\d+\.\d+/);
        expect(status.uptimeMs).toBeGreaterThan(0);
        expect(status.memoryBytes).toBeGreaterThan(20e6);
        expect(status.appliedIndex).toBeLessThanOrEqual(status.commitIndex);
        expect(status.commitIndex).toBeLessThanOrEqual(status.lastIndex);
        expect(status.logSyncs).toBeGreaterThan(0);
        expect(status.logEntriesSynced).toBeGreaterThanOrEqual(20);
        expect(status.peers.map(({ memberId }) => memberId)).toEqual(
          node === leader ? ["n1", "n2", "n3"].filter((id) => id !== `n${leader}`) : [],
        );
      }

      await putMany(cluster, 200);
      await cluster.agree();
      const after = await statuses(cluster);
      for (const [at, status] of after.entries()) {
        const earlier = before[at] as NodeStatus;
        expect(status.lastIndex).toBeGreaterThanOrEqual(earlier.lastIndex + 200);
        expect(status.commitIndex).toBeGreaterThan(earlier.commitIndex);
        expect(status.appliedIndex).toBeGreaterThan(earlier.appliedIndex);
        expect(status.revision).toBe(earlier.revision + 200);
        expect(status.uptimeMs).toBeGreaterThan(earlier.uptimeMs);
        expect(status.logSyncs).toBeGreaterThan(earlier.logSyncs);
        expect(status.logEntriesSynced).toBeGreaterThanOrEqual(earlier.logEntriesSynced + 200);
        expect(status.sessions).toBeGreaterThanOrEqual(1);
      }
      await inTime("the disk is seen to fill", async () => {
        const now = await statuses(cluster);
        return now.every(({ diskBytes }) => diskBytes > 220 * 1000);
      });
      await inTime("replicated time passes", async () => {
        const now = await statuses(cluster);
        return now.every(
          ({ replicatedTimeMs }, at) => replicatedTimeMs > (before[at] as NodeStatus).replicatedTimeMs,
        );
      });
    },
  );

  cluster.test(
    "L4: the leader tells how far a peer that does not answer is behind, and how it catches up",
    async (cluster) => {
      const leader = await cluster.leader();
      const [behind] = (await cluster.followers()) as [number];
      const progress = async () =>
        (await cluster.status(leader)).peers.find(({ memberId }) => memberId === `n${behind}`);
      await inTime("it is level", async () => (await progress())?.lag === 0n);
      cluster.pause(behind);
      try {
        await putMany(cluster, 100);
        const seen = await inTime("it is missed", async () => {
          const now = await progress();
          return now?.recentlyActive === false && now;
        });
        expect(Number(seen.lag)).toBeGreaterThanOrEqual(100);
        expect(seen.catchUpPercent).toBeLessThan(100);
        expect(Number(seen.matchIndex)).toBeLessThan(Number(seen.nextIndex));
      } finally {
        cluster.resume(behind);
      }
      const level = await inTime("it has caught up", async () => {
        const now = await progress();
        return now?.lag === 0n && now;
      });
      expect(level).toMatchObject({ catchUpPercent: 100, recentlyActive: true, state: "replicate" });
    },
  );
});

describe("a node that is told to stop", () => {
  // With the default timing an election that nobody arranged takes at least a second.
  const cluster = clusterOfFile({ profile: "default" });

  cluster.test(
    "L9: SIGTERM of the leader under load hands leadership over, drains its calls and ends with code 0",
    async (cluster) => {
      const leader = await cluster.leader();
      const before = await cluster.status(leader);
      const kv = patientKv(cluster, [leader, ...(await cluster.followers())]);
      const load = Load.closedLoop(kv, "l9-", { callers: 16 });
      await inTime("writes go on", () => load.acknowledged.size >= 100);
      expect(await cluster.terminate(leader)).toBe(0);
      const others = await Promise.all(cluster.live.map((node) => cluster.status(node)));
      expect(others.filter(({ role }) => role === Role.LEADER)).toHaveLength(1);
      for (const { term } of others) expect(term).toBe(before.term + 1);
      expect(cluster.logs(leader)).toContain('"outcome":"transferred"');
      const during = load.acknowledged.size;
      await inTime("writes go on", () => load.acknowledged.size >= during + 100);
      await load.stop();
      expect([...load.refused, ...load.open]).toEqual([]);
      await cluster.restart(leader);
      await cluster.agree();
      await expectNothingLost(kv, load);
    },
  );

  cluster.test("L9: calls without a retry that a stopping node has taken are answered", async (cluster) => {
    const leader = await cluster.leader();
    const endpoint = cluster.freshEndpoint(leader);
    const put = (at: number) =>
      endpoint.kv.attempt("put", { key: bytes(`l9-bare-${at}`), value: new Uint8Array(10_000) });
    await put(0);
    const calls = Array.from({ length: 200 }, (_, at) => put(at + 1));
    await Promise.race(calls);
    expect(await cluster.terminate(leader)).toBe(0);
    const replies = await Promise.all(calls);
    const answered = replies.filter(({ ok }) => ok);
    expect(answered.length).toBeGreaterThan(0);
    const refusals = replies.filter((reply) => !reply.ok);
    // Those that came too late were refused or never left: none is left open.
    for (const refusal of refusals) expect(refusal).toMatchObject({ code: "UNAVAILABLE" });
    await cluster.restart(leader);
  });

  cluster.test("L9: SIGTERM of a follower disturbs nobody", async (cluster) => {
    const [follower] = (await cluster.followers()) as [number];
    const load = Load.closedLoop(patientKv(cluster, follower), "l9-follower-", { callers: 8 });
    await inTime("writes go on", () => load.acknowledged.size >= 50);
    const others = Load.closedLoop(patientKv(cluster), "l9-others-", { callers: 8 });
    expect(await cluster.terminate(follower)).toBe(0);
    await cluster.restart(follower);
    await Promise.all([load.stop(), others.stop()]);
    expect([...load.open, ...load.refused, ...others.open, ...others.refused]).toEqual([]);
    await cluster.agree();
  });
});

describe("data directories", () => {
  /** Starts a node's program that is expected to end by itself, and returns what it said. */
  async function refusedStart(argv: readonly string[]): Promise<{ code: number | null; lines: string[] }> {
    const workplace = new Workplace();
    try {
      const child = new Child(workplace, "refused", argv);
      const { code } = await child.ended;
      return { code, lines: child.log().trimEnd().split("\n") };
    } finally {
      await workplace.remove();
    }
  }

  const cluster = clusterOfFile();

  cluster.test("a data directory of another member is refused with one line", async (cluster) => {
    await patientKv(cluster).put("mine", "still here");
    await cluster.agree();
    const [node, other] = (await cluster.followers()) as [number, number];
    await cluster.kill(node);
    const { code, lines } = await refusedStart(
      cluster.topology.nodeArgv(node, cluster.dataDir(other), false),
    );
    expect(code).toBe(2);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`n${other}`);
    await cluster.restart(node);
    await cluster.agree();
  });

  cluster.test(
    "a data directory of another cluster is refused with one line, bootstrapping or not",
    async (cluster) => {
      const [node] = (await cluster.followers()) as [number];
      await cluster.kill(node);
      for (const bootstrap of [false, true]) {
        const argv = cluster.topology.nodeArgv(node, cluster.dataDir(node), bootstrap);
        argv[argv.indexOf("--cluster-id") + 1] = "another-cluster";
        const { code, lines } = await refusedStart(argv);
        expect(code).toBe(2);
        expect(lines).toHaveLength(1);
        expect(lines[0]).toContain("another-cluster");
      }
      await cluster.restart(node);
      await cluster.agree();
    },
  );

  cluster.test(
    "a node that is started with a list of members grown old goes on with those that there are",
    async (cluster) => {
      const [node] = (await cluster.followers()) as [number];
      await cluster.kill(node);
      const argv = cluster.topology.nodeArgv(node, cluster.dataDir(node), false);
      const at = argv.indexOf("--members") + 1;
      argv[at] = (argv[at] as string)
        .split(",")
        .filter((member) => member.startsWith(`n${node}=`))
        .join(",");
      const workplace = new Workplace();
      const child = new Child(workplace, "old-list", argv);
      try {
        await inTime("it follows the leader", async () => {
          const { voters, leaderId } = await cluster.status(node);
          expect(voters).toEqual(["n1", "n2", "n3"]);
          return leaderId !== "";
        });
      } finally {
        child.signal("SIGKILL");
        await child.ended;
        await workplace.remove();
      }
      await cluster.restart(node);
      await cluster.agree();
    },
  );

  cluster.test("a data directory that is in use is refused with one line", async (cluster) => {
    const { code, lines } = await refusedStart(cluster.topology.nodeArgv(1, cluster.dataDir(1), false));
    expect(code).not.toBe(0);
    expect(lines).toHaveLength(1);
    await cluster.agree();
  });

  cluster.test(
    "a node without its data does not start by itself: only a bootstrap makes a directory",
    async (cluster) => {
      const [node] = (await cluster.followers()) as [number];
      await cluster.kill(node);
      const { code, lines } = await refusedStart(
        cluster.topology.nodeArgv(node, cluster.scratch("wiped"), false),
      );
      expect(code).toBe(2);
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain("--bootstrap");
      await cluster.restart(node);
    },
  );
});

describe("a node whose disk was wiped", () => {
  const cluster = clusterOfFile();

  cluster.test(
    "E8: its peers refuse it, it says how it is replaced, and does not count for a quorum",
    async (cluster) => {
      const kv = patientKv(cluster);
      await kv.put("before", "the wipe");
      await cluster.agree();
      const leader = await cluster.leader();
      const [wiped, other] = (await cluster.followers()) as [number, number];
      await inTime("all stores are recorded", async () => {
        const { members } = await cluster.node(leader).admin.call("listMembers", {});
        return members.every(({ storeId }) => storeId !== "");
      });
      await cluster.kill(wiped);
      rmSync(cluster.dataDir(wiped), { recursive: true });
      const workplace = new Workplace();
      try {
        const start = (name: string, bootstrap: boolean): Child =>
          new Child(workplace, name, cluster.topology.nodeArgv(wiped, cluster.dataDir(wiped), bootstrap));
        const advice = `quorate member replace n${wiped} NEWID`;
        const impostor = start("impostor", true);
        expect(await impostor.ended).toEqual({ code: 2, signal: null });
        expect(impostor.log()).toContain(advice);
        expect(cluster.logs(leader)).toContain("is bound to data directory");
        const { term } = await cluster.status(leader);
        await kv.put("with two", "of three");

        await cluster.kill(other);
        await inTime("the leader has no quorum", async () => (await cluster.status(leader)).leaderId === "");
        const write = await cluster
          .node(leader)
          .kv.attempt("put", { key: bytes("with one"), value: bytes("of three") });
        expect(write).toMatchObject({ ok: false, code: "UNAVAILABLE" });
        expect((await cluster.status(leader)).term).toBe(term);
        const again = start("impostor again", false);
        expect(await again.ended).toEqual({ code: 2, signal: null });
        expect(again.log()).toContain(advice);
        expect((await cluster.status(leader)).leaderId).toBe("");

        await cluster.restart(other);
        await kv.put("with two", "again");
        expect(await kv.getText("before")).toBe("the wipe");
      } finally {
        await workplace.remove();
      }
    },
  );
});
