import { describe, expect } from "@jest/globals";
import { Consistency, IncrementResponse } from "@quorate/client/generated";
import {
  type BareEndpoint,
  bytes,
  clusterOfFile,
  eventually,
  isLongRun,
  ownEntries,
  type TestCluster,
  text,
} from "#support";
import { patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile({ nodes: 3, gateways: 1 });
const { test } = cluster;

const { STALE, LINEARIZABLE } = Consistency;

/** Every kind of read that a node serves, in parts that are short beside a second. */
function allReads({ kv, admin }: BareEndpoint, revision: bigint): (() => Promise<unknown>)[] {
  const key = bytes("c6/3");
  const range = { prefix: bytes("c6/") };
  const freshness = [
    {},
    { consistency: LINEARIZABLE },
    { consistency: STALE },
    { consistency: STALE, minRevision: revision },
    { maxStalenessMs: 1000n },
    { revision: revision - 1n },
  ];
  const ofKeys = freshness.map((fresh) => () => {
    return Promise.all([
      kv.call("get", { key, ...fresh }),
      kv.call("batchGet", { keys: [key, bytes("c6/absent")], ...fresh }),
      kv.call("count", { ...range, ...fresh }),
      kv.call("exists", { keys: [key, key], ...fresh }),
      kv.stream("scan", { ...range, ...fresh }),
      kv.stream("scan", { ...range, limit: 2n, reverse: true, keysOnly: true, ...fresh }),
    ]);
  });
  const ofNode = () =>
    Promise.all([
      admin.call("status", {}),
      admin.call("stats", {}),
      admin.call("listMembers", {}),
      admin.call("hash", {}),
      admin.call("hash", { revision, prefix: bytes("c6/") }),
    ]);
  return [...ofKeys, ofNode];
}

describe("reads", () => {
  test("C6: no read of any kind moves the revision, the hash or the log", async (c) => {
    for (let at = 0; at < 10; at += 1)
      await c.node(1).kv.call("put", { key: bytes(`c6/${at}`), value: bytes(`${at}`) });
    const before = await c.agree();
    const leader = await c.leader();
    const [follower] = (await c.followers()) as [number];
    for (const endpoint of [c.node(leader), c.node(follower), c.gateway()]) {
      for (const reads of allReads(endpoint, BigInt(before.revision))) {
        expect(await ownEntries(c, async () => void (await reads()))).toBe(0);
      }
    }
    expect(await c.agree()).toEqual(before);
  });

  test("C6: refused calls move neither the revision nor the hash", async (c) => {
    const before = await c.agree();
    for (const { kv } of [...c.numbers.map((node) => c.node(node)), c.gateway()]) {
      await kv.attempt("put", { key: bytes("") });
      await kv.attempt("put", { key: bytes("c6/3"), expectedModRevision: 999_999n });
      await kv.attempt("delete", { key: bytes("c6/3"), expectedModRevision: 999_999n });
      await kv.attempt("put", { key: bytes("c6/3"), leaseId: 9n });
      await kv.attempt("put", { key: bytes("c6/3") }, { metadata: { "quorate-request-id": "999999/1/1" } });
      await kv.call("delete", { key: bytes("c6/absent") });
      await kv.call("deleteRange", { prefix: bytes("c6/absent") });
    }
    expect(await c.agree()).toEqual(before);
  });
});

describe("linearizable reads", () => {
  test("C4: a leader that stood still while another took over never returns what was true before", async (c) => {
    const key = bytes("c4");
    const old = await c.leader();
    await c.node(old).kv.call("put", { key, value: bytes("before") });
    await c.agree();
    c.pause(old);
    // These wait in the old leader's sockets: it takes them up before it can hear that it leads no more.
    const early = Array.from({ length: 20 }, () =>
      c.node(old).kv.attempt("get", { key }, { deadlineMs: 8000 }),
    );
    await c.node(await c.leader()).kv.call("put", { key, value: bytes("after") });
    c.resume(old);
    const seen = (await Promise.all(early)).map((reply) =>
      reply.ok ? text(reply.response.record?.value ?? bytes("")) : "refused",
    );
    expect(seen.filter((value) => value !== "after" && value !== "refused")).toEqual([]);
    const { record } = await eventually("the old leader serves again", () =>
      c.node(old).kv.call("get", { key }),
    );
    expect(text(record?.value ?? bytes(""))).toBe("after");
  });

  test("C5: ten reads at once on each node see every write acknowledged before, also while the leader changes", async (c) => {
    const key = bytes("c5");
    const writer = c.client([1, 2, 3], { deadlineMs: 60_000 });
    let acknowledged = 0n;
    let isWriting = true;
    const writing = (async () => {
      while (isWriting) acknowledged = await writer.kv.increment(key);
    })();
    let answers = 0;
    const reading = c.numbers.map(async (node) => {
      while (isWriting) {
        const before = acknowledged;
        const replies = await Promise.all(
          Array.from({ length: 10 }, () => c.node(node).kv.attempt("get", { key })),
        );
        const values = replies.flatMap((reply) =>
          reply.ok ? [BigInt(text(reply.response.record?.value ?? bytes("0")))] : [],
        );
        expect(values.filter((value) => value < before)).toEqual([]);
        answers += values.length;
      }
    });
    for (let change = 0; change < 3; change += 1) {
      const [target] = (await c.followers()) as [number];
      const before = { acknowledged, answers };
      await eventually("leadership is handed over", async () => {
        return (await c.node(target).admin.attempt("transferLeadership", { memberId: `n${target}` })).ok;
      });
      await eventually(
        "reads and writes go on",
        () => acknowledged > before.acknowledged + 20n && answers > before.answers + 60,
      );
    }
    const [paused] = (await c.followers()) as [number];
    c.pause(paused);
    const before = acknowledged;
    await eventually("writes go on", () => acknowledged > before + 20n);
    c.resume(paused);
    const { record } = await eventually("the paused node serves again", () =>
      c.node(paused).kv.call("get", { key }),
    );
    expect(BigInt(text(record?.value ?? bytes("0")))).toBeGreaterThan(before);
    isWriting = false;
    await Promise.all([writing, ...reading]);
    await c.agree();
  });
});

describe("writes and reads", () => {
  test("C8: 3 x 10 concurrent writes are all present on each node", async (c) => {
    await Promise.all(
      c.numbers.flatMap((node) =>
        Array.from({ length: 10 }, (_, at) =>
          c.node(node).kv.call("put", { key: bytes(`c8/${node}/${at}`), value: bytes(`${node}-${at}`) }),
        ),
      ),
    );
    for (const node of c.numbers) {
      const { messages } = await c.node(node).kv.stream("scan", { prefix: bytes("c8/") });
      const seen = messages.flatMap(({ records }) =>
        records.map(({ key, value }) => `${text(key)}=${text(value)}`),
      );
      const wanted = c.numbers.flatMap((by) =>
        Array.from({ length: 10 }, (_, at) => `c8/${by}/${at}=${by}-${at}`),
      );
      expect(seen).toEqual(wanted);
    }
    await c.agree();
  });

  test("C8: a read through any node sees the write that was just acknowledged through any other", async (c) => {
    const ways = [...c.numbers.map((node) => c.node(node)), c.gateway()];
    for (let round = 0; round < 5; round += 1) {
      for (const [writer, { kv }] of ways.entries()) {
        const value = `round ${round} by ${writer}`;
        await kv.call("put", { key: bytes("c8/latest"), value: bytes(value) });
        const reads = await Promise.all(ways.map((way) => way.kv.call("get", { key: bytes("c8/latest") })));
        expect(reads.map(({ record }) => text(record?.value ?? bytes("")))).toEqual(ways.map(() => value));
      }
    }
  });

  test("C9: 50 ordered writes appear in that order on each node", async (c) => {
    const ways = [...c.numbers.map((node) => c.node(node)), c.gateway()];
    let revision = 0n;
    for (let at = 0; at < 50; at += 1) {
      const { kv } = ways[at % ways.length] as BareEndpoint;
      await kv.call("put", { key: bytes(`c9/${String(at).padStart(2, "0")}`) });
      const appended = await kv.call("append", { key: bytes("c9/all"), value: bytes(`${at},`) });
      revision = appended.header?.revision ?? 0n;
    }
    const inOrder = Array.from({ length: 50 }, (_, at) => `${at},`).join("");
    for (const node of c.numbers) {
      const own = { consistency: STALE, minRevision: revision };
      const { messages } = await c
        .node(node)
        .kv.stream("scan", { start: bytes("c9/0"), end: bytes("c9/a"), ...own });
      const revisions = messages.flatMap(({ records }) => records.map(({ modRevision }) => modRevision));
      expect(revisions).toHaveLength(50);
      expect(revisions).toEqual([...revisions].sort((a, b) => Number(a - b)));
      const { header, record } = await c.node(node).kv.call("get", { key: bytes("c9/all"), ...own });
      expect(header?.memberId).toBe(`n${node}`);
      expect(text(record?.value ?? bytes(""))).toBe(inOrder);
    }
  });
});

/** A retry's answer, without which leader gave it. */
function withoutLeader(body: Uint8Array): string {
  const response = IncrementResponse.decode(body);
  const header = response.header === undefined ? undefined : { ...response.header, memberId: "", term: 0n };
  return Buffer.from(IncrementResponse.encode({ ...response, header }).finish()).toString("hex");
}

async function tryIncrement(
  endpoint: BareEndpoint,
  key: string,
  requestId: string,
  deadlineMs = 10_000,
): Promise<Buffer | null> {
  const metadata = { "quorate-request-id": requestId };
  const reply = await endpoint.kv.attempt(
    "increment",
    { key: bytes(key), delta: 1n },
    { metadata, deadlineMs },
  );
  return reply.ok ? reply.body : null;
}

/** Sent until it is answered, each time under the same request id. */
function incrementOnce(endpoint: BareEndpoint, key: string, requestId: string): Promise<Buffer> {
  return eventually("the write is answered", () => tryIncrement(endpoint, key, requestId));
}

async function counter(c: TestCluster, key: string): Promise<{ value: string; version: bigint }> {
  const { record } = await c.node(await c.leader()).kv.call("get", { key: bytes(key) });
  return { value: text(record?.value ?? bytes("")), version: record?.version ?? 0n };
}

describe("request ids", () => {
  test("C10: a retry to the same node, another node or the gateway gets the same bytes, and the write is applied once", async (c) => {
    const { clientId } = await c.node(1).kv.call("openSession", {});
    const first = await incrementOnce(c.node(2), "c10/ways", `${clientId}/1/1`);
    expect(first).not.toBeNull();
    for (const endpoint of [c.node(2), c.node(1), c.node(3), c.gateway()]) {
      expect(await incrementOnce(endpoint, "c10/ways", `${clientId}/1/1`)).toEqual(first);
    }
    const together = await Promise.all(
      [c.node(1), c.node(2), c.node(3), c.gateway(), c.node(1)].map((way) =>
        incrementOnce(way, "c10/ways", `${clientId}/2/1`),
      ),
    );
    expect(new Set(together.map((body) => body?.toString("hex"))).size).toBe(1);
    expect(await counter(c, "c10/ways")).toEqual({ value: "2", version: 2n });
  });

  test("C10: a refusal is repeated as it was, even when the call would succeed by now", async (c) => {
    const { clientId } = await c.node(1).kv.call("openSession", {});
    const key = bytes("c10/refused");
    await c.node(1).kv.call("put", { key, value: bytes("a word") });
    const metadata = { "quorate-request-id": `${clientId}/1/1` };
    const attempt = () =>
      eventually("there is a leader to refuse it", async () => {
        const reply = await c.node(2).kv.attempt("increment", { key, delta: 1n }, { metadata });
        return !reply.ok && reply.code === "UNAVAILABLE" ? null : reply;
      });
    const first = await attempt();
    expect(first).toMatchObject({ ok: false, code: "FAILED_PRECONDITION" });
    await c.node(1).kv.call("put", { key, value: bytes("5") });
    expect(await attempt()).toEqual(first);
    expect(text((await c.node(1).kv.call("get", { key })).record?.value ?? bytes(""))).toBe("5");
  });

  test("C10: a write is applied once across the leader's death, before its answer or after it", async (c) => {
    const { clientId } = await c.node(1).kv.call("openSession", {});
    for (const [round, answeredCalls] of (isLongRun ? [0, 1, 2, 4] : [0, 2]).entries()) {
      const leader = await c.leader();
      const done = `${clientId}/${2 * round + 1}/1`;
      const answered = await incrementOnce(c.node(leader), "c10/death", done);
      const inFlight = `${clientId}/${2 * round + 2}/1`;
      const open = tryIncrement(c.node(leader), "c10/death", inFlight, 3000);
      for (let call = 0; call < answeredCalls; call += 1) await c.node(leader).admin.attempt("status", {});
      await c.kill(leader);
      const early = await open;
      await c.leader();
      const survivors = c.live;
      for (const survivor of survivors) {
        const repeated = await incrementOnce(c.node(survivor), "c10/death", done);
        expect(withoutLeader(repeated)).toBe(withoutLeader(answered));
      }
      const late = await Promise.all(
        survivors.map(
          (survivor) => incrementOnce(c.node(survivor), "c10/death", inFlight) as Promise<Buffer>,
        ),
      );
      const answers = [early, ...late].filter((body) => body !== null).map(withoutLeader);
      expect(new Set(answers).size).toBe(1);
      expect(await counter(c, "c10/death")).toEqual({
        value: String(2 * round + 2),
        version: BigInt(2 * round + 2),
      });
      await c.restart(leader);
      await c.agree();
    }
  });

  test("C10: a write is applied once across the death of all nodes", async (c) => {
    const { clientId } = await c.node(1).kv.call("openSession", {});
    const before = await Promise.all(
      [1, 2, 3, 4, 5].map((sequence) =>
        incrementOnce(c.gateway(), "c10/restart", `${clientId}/${sequence}/1`),
      ),
    );
    await c.killAll();
    await c.restartAll();
    for (const [at, body] of before.entries()) {
      const repeated = await incrementOnce(c.node((at % 3) + 1), "c10/restart", `${clientId}/${at + 1}/1`);
      expect(withoutLeader(repeated)).toBe(withoutLeader(body as Buffer));
    }
    expect(await counter(c, "c10/restart")).toEqual({ value: "5", version: 5n });
    await incrementOnce(c.node(1), "c10/restart", `${clientId}/6/1`);
    expect(await counter(c, "c10/restart")).toEqual({ value: "6", version: 6n });
    await c.agree();
  });
});
