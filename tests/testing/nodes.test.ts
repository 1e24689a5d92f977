import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { connect, type QuorateError } from "@quorate/client";
import { startCluster, type TestNode } from "@quorate/testing";

/** However busy the machine is that elects another leader. */
const PATIENT = { deadlineMs: 60_000 };

describe("a node that is killed", () => {
  test("M4: all nodes killed at once and restarted hold every acknowledged write", async () => {
    await using cluster = await startCluster({ seed: 1 });
    for (let at = 0; at < 10; at += 1) await cluster.kv.put(`key/${at}`, "x");
    await cluster.verifyConsistency();
    const [node] = cluster.nodes as [TestNode];
    expect(node.disks.state.unsyncedBatches).toBeGreaterThan(0);
    await cluster.onAllNodes((each) => each.kill());
    // What was not synced is gone: the state comes back from the log.
    expect(node.disks.state.applied.index).toBe(0);
    expect(node.disks.log.lastIndex).toBeGreaterThan(10);
    for (const each of cluster.nodes) await each.restart();
    expect(await cluster.client(PATIENT).kv.count()).toBe(10);
    await cluster.verifyConsistency(PATIENT);
  });

  test.each(["memory", "disk"] as const)("is started once where two ask for it, on %s", async (storage) => {
    await using cluster = await startCluster({ storage, seed: 3 });
    await cluster.kv.put("a", "1");
    await Promise.all([cluster.restart(1), cluster.restart(1)]);
    expect(cluster.node(1).isUp).toBe(true);
    await cluster.verifyConsistency(PATIENT);
  });

  test.each(["memory", "disk"] as const)(
    "is down when it is killed while it starts, on %s",
    async (storage) => {
      await using cluster = await startCluster({ storage, seed: 3 });
      await Promise.all([cluster.restart(1), cluster.kill(1)]);
      expect(cluster.node(1).isUp).toBe(false);
      await cluster.restart(1);
      await cluster.verifyConsistency(PATIENT);
    },
  );

  test("its calls under way end as those of a broken connection do, and are made again elsewhere", async () => {
    await using cluster = await startCluster({ clock: "virtual", seed: 2 });
    const leader = await cluster.leader();
    const others = cluster.nodes.filter((node) => node !== leader);
    await cluster.kv.put("a", "0");
    for (const node of others) node.pause();
    const alone = leader.client({ deadlineMs: 400 });
    const failed = alone.kv.get("a").catch((error: unknown) => error as QuorateError);
    const written = cluster.kv.put("a", "1");
    for (const node of others) node.resume();
    await leader.kill();
    expect(await cluster.advanceUntil(failed)).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("cannot reach"),
    });
    await cluster.advanceUntil(written);
    expect(await cluster.kv.getText("a")).toBe("1");
  });
});

describe.each([
  { storage: "memory", clock: "virtual" },
  { storage: "disk", clock: "real" },
] as const)("a node that is paused, storage $storage", (options) => {
  // Virtual time is not the machine's.
  const patience = options.clock === "virtual" ? {} : PATIENT;

  test("neither answers nor refuses, is replaced as leader, and goes on where it was", async () => {
    await using cluster = await startCluster({ ...options, seed: 8 });
    const old = await cluster.leader();
    await cluster.kv.put("a", "1");
    const { term } = await old.status();
    old.pause();
    const silent = await cluster.advanceUntil(
      old.kv.get("a", { deadlineMs: 300 }).catch((error: unknown) => error),
    );
    expect(silent).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    const next = await cluster.leader(patience);
    expect(next.id).not.toBe(old.id);
    await cluster.advanceUntil(next.client(patience).kv.put("a", "2"), patience);
    old.resume();
    await cluster.verifyConsistency(patience);
    // Whoever may lead by now.
    expect((await old.status()).term).toBeGreaterThan(term);
    expect(await old.client(patience).kv.getText("a")).toBe("2");
  });
});

describe("virtual time", () => {
  test("stands still by itself, and runs through an election in no time when advanced", async () => {
    await using cluster = await startCluster({ clock: "virtual", timing: "wan", seed: 3 });
    const leader = await cluster.leader();
    const startMs = cluster.nowMs;
    await cluster.kv.put("a", "1");
    expect(cluster.nowMs).toBe(startMs);
    // Not killed: the end of a process is seen at once, and only silence takes an election timeout.
    leader.pause();
    const leadersBesides = () => cluster.nodes.filter((node) => node !== leader && node.isLeader);
    await cluster.advance(4000);
    expect(leadersBesides()).toEqual([]);
    await cluster.advance(10_000);
    expect(leadersBesides()).toHaveLength(1);
    expect(cluster.nowMs).toBe(startMs + 14_000);
  });

  test("equal seeds make equal elections", async () => {
    const terms: string[] = [];
    for (const seed of [11, 11]) {
      await using cluster = await startCluster({ clock: "virtual", nodes: 5, seed });
      for (let round = 0; round < 3; round += 1) {
        const leader = await cluster.leader();
        await leader.kill();
        const next = await cluster.leader();
        terms.push(`${next.id} at ${cluster.nowMs}`);
        await leader.restart();
      }
    }
    expect(terms.slice(3)).toEqual(terms.slice(0, 3));
  });
});

describe("fake timers of the test runner", () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  test("do not stop a cluster", async () => {
    jest.useFakeTimers();
    await using cluster = await startCluster({ seed: 4 });
    await cluster.kv.put("a", "1");
    const leader = await cluster.leader();
    await leader.kill();
    await cluster.client(PATIENT).kv.put("a", "2");
    await leader.restart();
    await cluster.verifyConsistency(PATIENT);
    expect(await leader.client(PATIENT).kv.getText("a")).toBe("2");
  });
});

describe("failures of calls", () => {
  test("are the same in memory and over gRPC", async () => {
    await using cluster = await startCluster({ seed: 12 });
    await cluster.listen();
    await cluster.kv.put("text", "not a number");
    const inMemory = cluster.client(PATIENT);
    await using overGrpc = connect({ endpoints: cluster.endpoints, ...PATIENT });
    const calls = [
      (client: typeof overGrpc) => client.kv.put("", "x"),
      (client: typeof overGrpc) => client.kv.increment("text"),
      (client: typeof overGrpc) => client.kv.put("text", "x", { expectedModRevision: 999 }),
      (client: typeof overGrpc) => client.kv.get("text", { revision: 1_000_000 }),
      (client: typeof overGrpc) => client.kv.get("text", { namespace: "nowhere" }),
      (client: typeof overGrpc) => client.cluster.status({ member: "n9" }),
      async (client: typeof overGrpc) => {
        for await (const _ of client.kv.scan({ prefix: "" }, { namespace: "nowhere" }));
      },
    ];
    const failuresOf = async (client: typeof overGrpc) => {
      const failures: Partial<QuorateError>[] = [];
      for (const call of calls) {
        const { code, reason, retryable, outcome, message } = await call(client).then(
          () => new Error("it succeeded") as QuorateError,
          (error: unknown) => error as QuorateError,
        );
        failures.push({ code, reason, retryable, outcome, message });
      }
      return failures;
    };
    const failures = await failuresOf(inMemory);
    expect(failures).toEqual(await failuresOf(overGrpc));
    expect(failures.map(({ reason }) => reason)).not.toContain(undefined);
  });

  test("other processes reach a cluster in memory over gRPC, also after a restart", async () => {
    await using cluster = await startCluster({ seed: 13 });
    const endpoints = await cluster.listen();
    await using client = connect({ endpoints, ...PATIENT });
    await client.kv.put("a", "1");
    const leader = await cluster.leader();
    await leader.restart();
    await client.kv.put("a", "2");
    expect(await leader.client(PATIENT).kv.getText("a")).toBe("2");
    expect((await client.cluster.members()).map(({ clientAddress }) => clientAddress)).toEqual(endpoints);
  });
});
