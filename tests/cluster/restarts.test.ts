import { describe, expect } from "@jest/globals";
import { type Lease, type NamespaceInfo, op } from "@quorate/client";
import { Consistency, type TxnResponse } from "@quorate/client/generated";
import { bytes, clusterOfFile, isLongRun, type Reply, type TestCluster } from "#support";
import { doing, operation } from "./bare-txn";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

// With the fast timing a busy machine elects now and then, and a write without a request id has an unknown outcome.
const cluster = clusterOfFile({ profile: "default" });
const { test } = cluster;

const KEYS = 100;
const prefix = bytes("a14/");

/** Puts them in one revision. @returns that */
async function putKeys(c: TestCluster): Promise<number> {
  const puts = Array.from({ length: KEYS }, (_, at) => op.put(`a14/${at}`, "x"));
  const { revision } = await patientKv(c)
    .txn()
    .do(...puts)
    .commit();
  return revision;
}

/** How many of them a node itself holds at a revision. */
async function countOn(c: TestCluster, node: number, revision: number): Promise<number> {
  const request = { prefix, consistency: Consistency.STALE, minRevision: BigInt(revision) };
  return Number((await c.node(node).kv.call("count", request)).count);
}

test("A14: a leader killed while it deletes a range leaves all of it or nothing, alike on each node", async (c) => {
  for (const answeredCalls of isLongRun ? [0, 1, 2, 4, 8, 16] : [0, 4]) {
    const before = await putKeys(c);
    const leader = await c.leader();
    const deletion = c.node(leader).kv.attempt("deleteRange", { prefix });
    // The moment of the kill, in calls that the leader still answers, since no clock says how far it has come.
    for (let call = 0; call < answeredCalls; call += 1) await c.node(leader).admin.attempt("status", {});
    await c.kill(leader);
    const reply = await deletion;
    await c.leader();
    await c.restart(leader);
    const { revision } = await c.agree();
    const counts = await Promise.all(c.numbers.map((node) => countOn(c, node, revision)));
    expect(new Set(counts).size).toBe(1);
    expect([0, KEYS]).toContain(counts[0]);
    expect(reply.ok ? counts[0] : 0).toBe(0);
    expect(revision).toBe(before + (counts[0] === 0 ? 1 : 0));
  }
});

/** What a node says of itself without a leader. */
async function expectAnswersAlone(c: TestCluster, node: number): Promise<void> {
  const alone = c.node(node);
  await inTime("the node sees that it has no leader", async () => (await c.status(node)).leaderId === "");
  expect(await alone.health("")).toBe("SERVING");
  expect(await alone.health("quorate.kv.v1.KvService")).toBe("NOT_SERVING");
  const status = await c.status(node);
  expect(status).toMatchObject({ memberId: `n${node}`, leaderId: "", leaderAddress: "" });
  expect(status.revision).toBeGreaterThan(0);
  expect(await alone.admin.call("stats", {})).toMatchObject({ memberId: `n${node}` });
  const { members } = await alone.admin.call("listMembers", {});
  expect(members.map(({ memberId }) => memberId)).toEqual(["n1", "n2", "n3"]);
  expect(members.filter(({ leader }) => leader)).toEqual([]);
}

test("A20: health, Status and Stats answer on each node without a leader", async (c) => {
  for (const node of c.numbers) {
    const others = c.numbers.filter((other) => other !== node);
    for (const other of others) c.pause(other);
    await expectAnswersAlone(c, node);
    for (const other of others) c.resume(other);
    await c.leader();
  }
  for (const node of c.numbers) {
    await inTime(
      "the node serves again",
      async () => (await c.node(node).health("quorate.kv.v1.KvService")) === "SERVING",
    );
  }
});

describe("the death of all nodes", () => {
  const TTL_MS = 600_000;
  let before: readonly NamespaceInfo[];
  let lease: Lease;
  let sendTxn: () => Promise<Reply<TxnResponse>>;
  let answer: Reply<TxnResponse>;

  test("E3: data, and how much of it there is, survive it", async (c) => {
    const client = c.client();
    await client.namespaces.create("kept");
    await client.namespace("kept").put("k", "v");
    lease = await client.leases.grant({ ttlMs: TTL_MS, keepAlive: false });
    await client.kv.put("survives", "x", { leaseId: lease.id });
    const { clientId } = await c.node(1).kv.call("openSession", {});
    const increment = operation("increment", { key: bytes("c10"), delta: 1n });
    const metadata = { "quorate-request-id": `${clientId}/1/1` };
    sendTxn = () => c.node(2).kv.attempt("txn", doing(increment, increment), { metadata });
    answer = await inTime("the Txn is answered", async () => {
      const reply = await sendTxn();
      return reply.ok && reply;
    });
    before = await client.namespaces.list();
    const state = await c.agree();
    await c.killAll();
    // A20 of a node that has had no leader since it was started.
    await c.restart(1);
    await expectAnswersAlone(c, 1);
    await c.restartAll();
    expect(await c.agree()).toEqual(state);
  });

  test("A23: namespaces and what they hold survive it", async (c) => {
    const { namespaces } = c.client();
    expect(await namespaces.list()).toEqual(before);
    expect(await patientKv(c).getText("k", { namespace: "kept" })).toBe("v");
    expect((await namespaces.create("later")).id).toBe(Math.max(...before.map(({ id }) => id)) + 1);
  });

  test("A22: leases and what is attached to them survive it", async (c) => {
    const { leases, kv } = c.client();
    const { remainingMs } = await leases.timeToLive(lease.id);
    expect(remainingMs).toBeGreaterThan(TTL_MS / 2);
    expect(remainingMs).toBeLessThanOrEqual(TTL_MS);
    expect((await kv.get("survives"))?.leaseId).toBe(lease.id);
    expect(await leases.revoke(lease.id)).toEqual({ deleted: 1 });
    expect(await kv.exists("survives")).toBe(0);
  });

  test("C10: a Txn sent again under its request id is answered alike byte for byte after it", async (c) => {
    const again = await inTime("the Txn is answered again", async () => {
      const reply = await sendTxn();
      return reply.ok && reply;
    });
    expect(again.ok && answer.ok && again.response.results).toEqual(answer.ok && answer.response.results);
    expect(await patientKv(c).getText("c10")).toBe("2");
  });
});
