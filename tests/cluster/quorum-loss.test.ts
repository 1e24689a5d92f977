import { setTimeout as delay } from "node:timers/promises";
import { describe, expect } from "@jest/globals";
import { connect, QuorateError } from "@quorate/client";
import { Consistency, ErrorReason, Health, Outcome, Role } from "@quorate/client/generated";
import { HealthDefinition } from "@quorate/proto/health";
import { bareClients, bytes, clusterOfFile, NeverWill, type Reply, type TestCluster, text } from "../support";
import { failed } from "./failed";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile();
const { test } = cluster;

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

/** Far above any deadline that is given here, and far below having none. */
const LATE_MS = 30_000;

async function orLate<T>(work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = delay(LATE_MS, undefined, { signal: over.signal }).then(
    () => Promise.reject(new NeverWill(`nothing came for ${LATE_MS} ms`)),
    () => work,
  );
  return Promise.race([work, late]).finally(() => over.abort());
}

/** That this process had no time for so long is no fault of the calls that it made. */
const STANDSTILL_MS = 200;

/** What calls come to, which must be before so long; again where this very process stood still meanwhile. */
async function within<T>(lateMs: number, calls: () => Promise<T>): Promise<T> {
  const { value } = await inTime(`an answer within ${lateMs} ms`, async () => {
    const startMs = performance.now();
    let seenMs = startMs;
    let gapMsMax = 0;
    const look = () => {
      const nowMs = performance.now();
      gapMsMax = Math.max(gapMsMax, nowMs - seenMs);
      seenMs = nowMs;
    };
    const looking = setInterval(look, STANDSTILL_MS / 4);
    const value = await orLate(calls()).finally(() => clearInterval(looking));
    look();
    if (seenMs - startMs < lateMs) return { value };
    if (gapMsMax > STANDSTILL_MS) return null;
    throw new NeverWill(`it took ${Math.round(seenMs - startMs)} ms, and not ${lateMs} at most`);
  });
  return value;
}

/** What a call fails with; null where it does not. */
function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
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
    for (const node of followers) cluster.pause(node);
    const deadlinesMs = [200, 500, 1000];
    const replies = await within(2000, () =>
      Promise.all(
        deadlinesMs.map((deadlineMs) =>
          cluster
            .node(leader)
            .kv.attempt("put", { key: bytes(`j8-${deadlineMs}`), value: bytes("late") }, { deadlineMs }),
        ),
      ),
    );
    for (const reply of replies) {
      expect(reply.ok).toBe(false);
      expect(["DEADLINE_EXCEEDED", "UNAVAILABLE", "UNKNOWN"]).toContain(reply.ok ? "OK" : reply.code);
    }
    for (const node of followers) cluster.resume(node);
    await cluster.leader();
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
    // Told at once, and not when the time is over.
    const write = await lone.kv.attempt("put", { key: bytes("j8"), value: bytes("lost") });
    expect(write).toMatchObject({ ok: false, code: "UNAVAILABLE" });
    const read = await lone.kv.attempt("get", { key: bytes("j8") });
    expect(read).toMatchObject({ ok: false, code: "UNAVAILABLE" });
    const stale = await lone.kv.call("get", { key: bytes("j8"), consistency: Consistency.STALE });
    expect(text(stale.record?.value ?? new Uint8Array())).toBe("before");

    const kv = patientKv(cluster);
    // An attempt that the deadline breaks off, on a busy machine, is one of which nobody knows.
    await inTime("it is told that a write was not applied", async () => {
      const failure = await within(2000, () => errorOf(kv.put("j8", "lost", { deadlineMs: 1000 })));
      if (!(failure instanceof QuorateError)) {
        throw new NeverWill(`a write without a quorum came to ${String(failure)}`);
      }
      return failure.outcome === "not_applied";
    });

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

describe("a node that is left alone", () => {
  test("B7: says NO_LEADER, and UNREACHABLE of a member that is gone", async (c) => {
    await patientKv(c).put("b8/before", "kept");
    await c.agree();
    const [survivor, gone, ...rest] = c.numbers as [number, number, ...number[]];
    for (const node of [gone, ...rest]) await c.kill(node);
    await inTime("the survivor knows no leader", async () => (await c.status(survivor)).leaderId === "");
    const { kv, admin } = c.node(survivor);
    for (const reply of [
      await kv.attempt("put", { key: bytes("k") }),
      await kv.attempt("get", { key: bytes("k") }),
    ]) {
      expect(failed(reply).code).toBe("UNAVAILABLE");
      expect(failed(reply).detail).toMatchObject({ reason: ErrorReason.NO_LEADER, retryable: true });
    }
    const metadata = { "quorate-member": `n${gone}` };
    const unreachable = failed(await admin.attempt("status", {}, { metadata }));
    expect(unreachable).toMatchObject({ code: "UNAVAILABLE", detail: { reason: ErrorReason.UNREACHABLE } });
  });

  test("B8: a call to it fails with a typed error at the default deadline of 5 s", async (c) => {
    const [survivor] = c.numbers as [number];
    await using quorate = connect(c.numbers.map((node) => c.address(node)).join(","));
    const timed = async (call: Promise<unknown>) => {
      const startMs = performance.now();
      const error = await orLate(errorOf(call));
      return { error, elapsedMs: performance.now() - startMs };
    };
    const deadlineMs = 1000;
    const [write, read, short] = await Promise.all([
      timed(quorate.kv.put("b8/after", "lost")),
      timed(quorate.kv.get("b8/before")),
      within(2000, () =>
        Promise.all([
          errorOf(quorate.kv.put("b8/short", "lost", { deadlineMs })),
          errorOf(quorate.kv.get("b8/before", { deadlineMs })),
        ]),
      ),
    ]);
    for (const error of [write.error, read.error, ...short]) {
      expect(error).toBeInstanceOf(QuorateError);
      expect(["UNAVAILABLE", "DEADLINE_EXCEEDED"]).toContain((error as QuorateError).code);
      expect((error as QuorateError).retryable).toBe(true);
    }
    for (const { elapsedMs } of [write, read]) expect(elapsedMs).toBeGreaterThan(4000);
    const { record } = await c
      .node(survivor)
      .kv.call("get", { key: bytes("b8/before"), consistency: Consistency.STALE });
    expect(text(record?.value ?? bytes(""))).toBe("kept");
    await c.restartAll();
    const kv = patientKv(c);
    expect(await kv.getText("b8/before")).toBe("kept");
    const isThere = (await kv.get("b8/after")) !== undefined;
    expect((write.error as QuorateError).outcome === "not_applied" && isThere).toBe(false);
  });
});

describe("a leader that is left alone", () => {
  test("B7: a write that it cannot replicate by the deadline is DEADLINE_EXCEEDED, and open", async (c) => {
    // A busy machine may take so long that the leader gives up first, which the next test is about.
    await inTime("the deadline comes before the leader steps down", async () => {
      const leader = await c.leader();
      const followers = await c.followers();
      for (const node of followers) c.pause(node);
      const quick = await c
        .node(leader)
        .kv.attempt("put", { key: bytes("b7/quick"), value: bytes("x") }, { deadlineMs: 100 });
      for (const node of followers) c.resume(node);
      if (quick.ok) throw new NeverWill("a write without a quorum was answered");
      if (quick.code === "DEADLINE_EXCEEDED") return true;
      if (quick.code === "UNKNOWN" || quick.code === "UNAVAILABLE") return false;
      throw new NeverWill(`the write failed as ${quick.code}: ${quick.message}`);
    });
    await c.agree();
  });

  test("B7: a write that it cannot replicate before it steps down is UNKNOWN, and open", async (c) => {
    const leader = await c.leader();
    const followers = await c.followers();
    for (const node of followers) c.pause(node);
    const reply = await c
      .node(leader)
      .kv.attempt("put", { key: bytes("b7/patient"), value: bytes("x") }, { deadlineMs: 60_000 });
    for (const node of followers) c.resume(node);
    expect(["UNKNOWN", "UNAVAILABLE"]).toContain(failed(reply).code);
    expect([ErrorReason.LEADERSHIP_LOST, ErrorReason.NO_LEADER]).toContain(failed(reply).detail?.reason);
    await c.agree();
  });

  /** A write that was still open when its leader was halted; null where the leader had given it up before. */
  async function halted(c: TestCluster): Promise<{ old: number; open: Promise<Reply<unknown>> } | null> {
    const old = await c.leader();
    const others = await c.followers();
    for (const node of others) c.pause(node);
    const { lastIndex } = await c.status(old);
    let isOpen = true;
    const open = c
      .node(old)
      .kv.attempt("put", { key: bytes("b7/lost"), value: bytes("x") }, { deadlineMs: 60_000 })
      .finally(() => {
        isOpen = false;
      });
    await inTime(
      "the write is in the old leader's log",
      async () => !isOpen || (await c.status(old)).lastIndex > lastIndex,
      { intervalMs: 1 },
    );
    c.pause(old);
    // What the old leader sent waits in the sockets of the others and dies with them.
    for (const node of others) await c.kill(node);
    for (const node of others) await c.restart(node);
    if (isOpen) return { old, open };
    c.resume(old);
    await c.agree();
    return null;
  }

  test("B7: a write whose place another leader's entry took is ABORTED, SUPERSEDED, and not applied", async (c) => {
    const { old, open } = await inTime("a write is open when its leader is halted", () => halted(c));
    const leader = await c.leader();
    await c.node(leader).kv.call("put", { key: bytes("b7/instead"), value: bytes("x") });
    c.resume(old);
    const reply = failed(await open);
    expect(reply).toMatchObject({
      code: "ABORTED",
      detail: { reason: ErrorReason.SUPERSEDED, outcome: Outcome.NOT_APPLIED, retryable: true },
    });
    await c.agree();
    expect((await c.node(old).kv.call("get", { key: bytes("b7/lost") })).record).toBeUndefined();
  });
});
