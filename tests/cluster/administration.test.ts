import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect } from "@jest/globals";
import { Role } from "@quorate/client/generated";
import {
  bytes,
  Child,
  clusterOfFile,
  type NodeStatus,
  type TestCluster,
  underOneLeader,
  Workplace,
} from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

// With the default timing a busy machine seldom causes an election that nobody arranged.
const cluster = clusterOfFile({ profile: "default" });

const HANDOVERS_MAX = 5;

/** What the newest node to stop said of its handover; null where it had lost its leadership before. */
function handover(log: string): string | null {
  const [until, since = ""] = log.split('"shutting down"');
  const wasDeposed = until?.includes('"leader known"') || until?.includes('"no leader is known"');
  const outcome = /"outcome":"(\w+)"/.exec(since)?.[1] ?? "nothing was said";
  return wasDeposed ? null : outcome;
}

describe("the status of a node", () => {
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
      await putMany(cluster, 20);
      await cluster.agree();
      // An entry on its way, or another leader, is soon over.
      const before = await inTime("all nodes tell of one moment", async () => {
        const leader = await cluster.leader();
        const seen = await statuses(cluster);
        for (const [at, status] of seen.entries()) {
          const node = at + 1;
          expect(status).toMatchObject({
            memberId: `n${node}`,
            role: node === leader ? Role.LEADER : Role.FOLLOWER,
            term: seen[leader - 1]?.term,
            leaderId: `n${leader}`,
            leaderAddress: cluster.address(leader),
            snapshotIndex: 0,
            lag: 0,
            limits: { keyBytesMax: 4096n, valueBytesMax: 1_048_576n, requestBytesMax: 2_097_152n },
          });
          expect(status.peers.map(({ memberId }) => memberId)).toEqual(
            node === leader ? ["n1", "n2", "n3"].filter((id) => id !== `n${leader}`) : [],
          );
        }
        return seen;
      });
      expect(new Set(before.map(({ clusterId }) => clusterId)).size).toBe(1);
      expect(new Set(before.map(({ storeId }) => storeId)).size).toBe(3);
      for (const status of before) {
        expect(status.storeId).toMatch(/^.{8,}$/);
        expect(status.softwareVersion).toMatch(/^\d+\.\d+\.\d+/);
        expect(status.uptimeMs).toBeGreaterThan(0);
        expect(status.memoryBytes).toBeGreaterThan(20e6);
        expect(status.appliedIndex).toBeLessThanOrEqual(status.commitIndex);
        expect(status.commitIndex).toBeLessThanOrEqual(status.lastIndex);
        expect(status.logSyncs).toBeGreaterThan(0);
        expect(status.logEntriesSynced).toBeGreaterThanOrEqual(20);
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
      const [behind] = (await cluster.followers()) as [number];
      const progress = async () => {
        const { peers } = await cluster.status(await cluster.leader());
        return peers.find(({ memberId }) => memberId === `n${behind}`);
      };
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
      await inTime("it has caught up", async () => {
        const now = await progress();
        expect(now).toMatchObject({ catchUpPercent: 100, recentlyActive: true, state: "replicate" });
        return now?.lag === 0n;
      });
    },
  );
});

describe("a node that is told to stop", () => {
  cluster.test(
    "L9: SIGTERM of the leader under load hands leadership over, drains its calls and ends with code 0",
    async (cluster) => {
      // A node gives itself a second for it, which a busy machine may not: then the next leader is told to stop.
      let hasHandedOver = false;
      for (let attempt = 1; attempt <= HANDOVERS_MAX && !hasHandedOver; attempt += 1) {
        const leader = await cluster.leader();
        const before = await cluster.status(leader);
        const logged = cluster.logs(leader).length;
        const kv = patientKv(cluster, [leader, ...(await cluster.followers())]);
        const load = Load.closedLoop(kv, `l9-${attempt}-`, { callers: 8, restMs: 40 });
        await inTime("writes go on", () => load.acknowledged.size >= 50);
        expect(await cluster.terminate(leader)).toBe(0);
        const { term } = await cluster.status(await cluster.leader());
        const during = load.acknowledged.size;
        await inTime("writes go on", () => load.acknowledged.size >= during + 50);
        await load.stop();
        expect([...load.refused, ...load.open]).toEqual([]);
        await cluster.restart(leader);
        await cluster.agree();
        await expectNothingLost(kv, load);
        const outcome = handover(cluster.logs(leader).slice(logged));
        // Nothing else is a matter of speed.
        expect([null, "timed_out", "transferred"]).toContain(outcome);
        hasHandedOver = outcome === "transferred" && term === before.term + 1;
      }
      expect(hasHandedOver).toBe(true);
    },
  );

  cluster.test("L9: calls without a retry that a stopping node has taken are answered", async (cluster) => {
    const leader = await cluster.leader();
    const endpoint = cluster.freshEndpoint(leader);
    const put = (at: number) =>
      endpoint.kv.attempt(
        "put",
        { key: bytes(`l9-bare-${at}`), value: new Uint8Array(10_000) },
        { deadlineMs: 60_000 },
      );
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
    const load = Load.closedLoop(patientKv(cluster, follower), "l9-follower-", { callers: 2, restMs: 40 });
    const others = Load.closedLoop(patientKv(cluster), "l9-others-", { callers: 2, restMs: 40 });
    await inTime("writes go on", () => Math.min(load.acknowledged.size, others.acknowledged.size) >= 10);
    expect(await cluster.terminate(follower)).toBe(0);
    await cluster.restart(follower);
    await Promise.all([load.stop(), others.stop()]);
    expect([...load.open, ...load.refused, ...others.open, ...others.refused]).toEqual([]);
    await cluster.agree();
  });
});

describe("a member that is down", () => {
  let down: number;
  let workplace: Workplace;

  beforeAll(async () => {
    await patientKv(cluster()).put("before", "the end");
    await cluster().agree();
    await inTime("all stores are recorded", async () => {
      const { members } = await cluster()
        .node(await cluster().leader())
        .admin.call("listMembers", {});
      return members.every(({ storeId }) => storeId !== "");
    });
    [down] = (await cluster().followers()) as [number];
    await cluster().kill(down);
    workplace = new Workplace();
  });

  afterAll(() => workplace.remove());

  /** The program of the node that is down, as it is started again. */
  function argvOfDown(): string[] {
    return cluster().topology.nodeArgv(down, cluster().dataDir(down), false);
  }

  /** Starts a node's program that is expected to end by itself, and returns what it said. */
  async function refusedStart(
    name: string,
    argv: readonly string[],
  ): Promise<{ code: number | null; lines: string[] }> {
    const child = new Child(workplace, name, argv);
    const { code } = await child.ended;
    return { code, lines: child.log().trimEnd().split("\n") };
  }

  cluster.test("a data directory of another member is refused with one line", async (cluster) => {
    const other = await cluster.leader();
    const argv = cluster.topology.nodeArgv(down, cluster.dataDir(other), false);
    const { code, lines } = await refusedStart("another-member", argv);
    expect(code).toBe(2);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`n${other}`);
  });

  cluster.test(
    "a data directory of another cluster is refused with one line, bootstrapping or not",
    async (cluster) => {
      for (const bootstrap of [false, true]) {
        const argv = cluster.topology.nodeArgv(down, cluster.dataDir(down), bootstrap);
        argv[argv.indexOf("--cluster-id") + 1] = "another-cluster";
        const { code, lines } = await refusedStart(`another-cluster-${bootstrap}`, argv);
        expect(code).toBe(2);
        expect(lines).toHaveLength(1);
        expect(lines[0]).toContain("another-cluster");
      }
    },
  );

  cluster.test("a data directory that is in use is refused with one line", async (cluster) => {
    const leader = await cluster.leader();
    const argv = cluster.topology.nodeArgv(leader, cluster.dataDir(leader), false);
    const { code, lines } = await refusedStart("in-use", argv);
    expect(code).not.toBe(0);
    expect(lines).toHaveLength(1);
  });

  cluster.test(
    "a node without its data does not start by itself: only a bootstrap makes a directory",
    async (cluster) => {
      const argv = cluster.topology.nodeArgv(down, cluster.scratch("wiped"), false);
      const { code, lines } = await refusedStart("wiped", argv);
      expect(code).toBe(2);
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain("--bootstrap");
    },
  );

  cluster.test(
    "a node that is started with a list of members grown old goes on with those that there are",
    async (cluster) => {
      const argv = argvOfDown();
      const at = argv.indexOf("--members") + 1;
      argv[at] = (argv[at] as string)
        .split(",")
        .filter((member) => member.startsWith(`n${down}=`))
        .join(",");
      const child = new Child(workplace, "old-list", argv);
      try {
        await inTime("it follows the leader", async () => {
          const { voters, leaderId } = await cluster.status(down);
          expect(voters).toEqual(["n1", "n2", "n3"]);
          return leaderId !== "";
        });
      } finally {
        child.signal("SIGKILL");
        await child.ended;
      }
    },
  );

  cluster.test(
    "E8: one whose disk was wiped is refused by its peers, says how it is replaced, and does not count for a quorum",
    async (cluster) => {
      const kv = patientKv(cluster);
      const leader = await cluster.leader();
      const other = cluster.live.find((node) => node !== leader && node !== down) as number;
      const start = (name: string, bootstrap: boolean): Child =>
        new Child(workplace, name, cluster.topology.nodeArgv(down, cluster.dataDir(down), bootstrap));
      const advice = `quorate member replace n${down} NEWID`;
      // It deposes nobody, and raises no term.
      await underOneLeader(cluster, async () => {
        rmSync(cluster.dataDir(down), { recursive: true, force: true });
        const impostor = start("impostor", true);
        expect(await impostor.ended).toEqual({ code: 2, signal: null });
        expect(impostor.log()).toContain(advice);
      });
      expect(cluster.logs(leader) + cluster.logs(other)).toContain("is bound to data directory");
      await kv.put("with two", "of three");

      await cluster.kill(other);
      await inTime("the last one has no quorum", async () => (await cluster.status(leader)).leaderId === "");
      const { term } = await cluster.status(leader);
      const write = await cluster
        .node(leader)
        .kv.attempt("put", { key: bytes("with one"), value: bytes("of three") });
      expect(write).toMatchObject({ ok: false, code: "UNAVAILABLE" });
      const again = start("impostor again", false);
      expect(await again.ended).toEqual({ code: 2, signal: null });
      expect(again.log()).toContain(advice);
      expect(await cluster.status(leader)).toMatchObject({ leaderId: "", term });

      await cluster.restart(other);
      await kv.put("with two", "again");
      expect(await kv.getText("before")).toBe("the end");
    },
  );
});
