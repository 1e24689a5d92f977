import { expect } from "@jest/globals";
import { Consistency, Health, Role } from "@quorate/client/generated";
import { HealthDefinition } from "nice-grpc-server-health";
import { bareClients, bytes, clusterOfFile, type TestCluster, text } from "../support";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile();

/** The statuses of grpc.health.v1 by number. */
const SERVING_STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

async function servingStatus(
  cluster: TestCluster,
  node: number,
  service: string,
): Promise<string | undefined> {
  const health = bareClients.create(HealthDefinition, cluster.rawChannel(node));
  return SERVING_STATUSES[(await health.check({ service })).status];
}

cluster.test("L5: a node is healthy while it knows a leader", async (cluster) => {
  await cluster.leader();
  for (const node of cluster.numbers) {
    expect((await cluster.status(node)).health).toBe(Health.HEALTHY);
    expect(await servingStatus(cluster, node, "")).toBe("SERVING");
    expect(await servingStatus(cluster, node, "quorate.kv.v1.KvService")).toBe("SERVING");
  }
});

cluster.test(
  "J8: a leader without a quorum keeps its callers no longer than their deadline",
  async (cluster) => {
    const leader = await cluster.leader();
    await patientKv(cluster).put("j8", "before");
    await cluster.agree();
    const followers = await cluster.followers();
    await Promise.all(followers.map((node) => cluster.kill(node)));
    const startedAtMs = performance.now();
    const replies = await Promise.all(
      [200, 500, 1000].map((deadlineMs) =>
        cluster
          .node(leader)
          .kv.attempt("put", { key: bytes(`j8-${deadlineMs}`), value: bytes("late") }, { deadlineMs }),
      ),
    );
    expect(performance.now() - startedAtMs).toBeLessThan(2000);
    for (const reply of replies) {
      expect(reply.ok).toBe(false);
      expect(["DEADLINE_EXCEEDED", "UNAVAILABLE", "UNKNOWN"]).toContain(reply.ok ? "OK" : reply.code);
    }
    await cluster.restartAll();
  },
);

cluster.test(
  "J8 L5: without a quorum writes fail by their deadline, stale reads are served, health is degraded, and all is well by itself afterwards",
  async (cluster) => {
    await patientKv(cluster).put("j8", "before");
    await cluster.agree();
    const [left, ...killed] = (await cluster.followers()).concat(await cluster.leader()) as [
      number,
      ...number[],
    ];
    await Promise.all(killed.map((node) => cluster.kill(node)));

    await inTime(
      "the last node knows of no leader",
      async () => (await cluster.status(left)).leaderId === "",
    );
    const status = await cluster.status(left);
    expect(status.health).toBe(Health.DEGRADED);
    expect(status.role).not.toBe(Role.LEADER);
    expect(await servingStatus(cluster, left, "")).toBe("SERVING");
    expect(await servingStatus(cluster, left, "quorate.kv.v1.KvService")).toBe("NOT_SERVING");

    const lone = cluster.node(left);
    const write = await lone.kv.attempt(
      "put",
      { key: bytes("j8"), value: bytes("lost") },
      { deadlineMs: 1000 },
    );
    expect(write).toMatchObject({ ok: false, code: "UNAVAILABLE" });
    const read = await lone.kv.attempt("get", { key: bytes("j8") }, { deadlineMs: 1000 });
    expect(read).toMatchObject({ ok: false, code: "UNAVAILABLE" });
    const stale = await lone.kv.call("get", { key: bytes("j8"), consistency: Consistency.STALE });
    expect(text(stale.record?.value ?? new Uint8Array())).toBe("before");

    const kv = patientKv(cluster);
    const startedAtMs = performance.now();
    await expect(kv.put("j8", "lost", { deadlineMs: 1000 })).rejects.toMatchObject({
      outcome: "not_applied",
    });
    expect(performance.now() - startedAtMs).toBeLessThan(2000);

    await cluster.restartAll();
    await kv.put("j8", "after");
    await cluster.agree();
    expect(await kv.getText("j8")).toBe("after");
    for (const node of cluster.numbers) {
      await inTime(`n${node} is healthy`, async () => (await cluster.status(node)).health === Health.HEALTHY);
      expect(await servingStatus(cluster, node, "quorate.kv.v1.KvService")).toBe("SERVING");
    }
  },
);
