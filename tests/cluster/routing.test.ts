import { describe, expect } from "@jest/globals";
import { Consistency, ErrorReason, Outcome } from "@quorate/client/generated";
import {
  type BareEndpoint,
  type BareOptions,
  bytes,
  clusterOfFile,
  NeverWill,
  type TestCluster,
  text,
  underOneLeader,
} from "#support";
import { inTime, patientTests } from "./patient";

patientTests();

/** Node 3 never forwards. */
const cluster = clusterOfFile({
  nodes: 3,
  gateways: 2,
  profile: "default",
  forwarding: (node) => (node === 3 ? "off" : "on"),
});
const { test } = cluster;

let keys = 0;

/** A key that no run of a body before had. */
function fresh(name: string): string {
  keys += 1;
  return `${name}/${keys}`;
}

const FORWARD_OFF: BareOptions = { metadata: { "quorate-forward": "off" } };

/** Sees to it that node 3 follows. @returns the leader and the follower that forwards */
async function node3Follows(c: TestCluster): Promise<{ leader: number; forwarder: number }> {
  const leader = await inTime("node 3 follows", async () => {
    const now = await c.leader();
    if (now !== 3) return now;
    await c.node(3).admin.attempt("transferLeadership", { memberId: "n1" });
    return undefined;
  });
  return { leader, forwarder: leader === 1 ? 2 : 1 };
}

/** What a follower that may not forward says to everything that needs the leader. */
async function expectRefusals(
  c: TestCluster,
  endpoint: BareEndpoint,
  leader: number,
  options: BareOptions,
): Promise<void> {
  const key = bytes("c1/key");
  const { kv, admin } = endpoint;
  const writes = [
    await kv.attempt("put", { key, value: bytes("refused") }, options),
    await kv.attempt("delete", { key }, options),
    await kv.attempt("increment", { key: bytes("c1/counter"), delta: 1n }, options),
    await kv.attempt("append", { key, value: bytes("refused") }, options),
    await kv.attempt("deleteRange", { prefix: bytes("c1/") }, options),
    await kv.attempt("truncate", {}, options),
    await kv.attempt("openSession", {}, options),
    await admin.attempt("transferLeadership", {}, options),
  ];
  const reads = [
    await kv.attempt("get", { key }, options),
    await kv.attempt("batchGet", { keys: [key] }, options),
    await kv.attempt("count", {}, options),
    await kv.attempt("exists", { keys: [key] }, options),
    await kv.attempt("get", { key, consistency: Consistency.LINEARIZABLE }, options),
  ];
  const outcomes = [
    ...writes.map((reply) => ({ reply, outcome: Outcome.NOT_APPLIED })),
    ...reads.map((reply) => ({ reply, outcome: Outcome.UNSPECIFIED })),
  ];
  for (const { reply, outcome } of outcomes) {
    expect(reply).toMatchObject({
      ok: false,
      code: "UNAVAILABLE",
      detail: {
        reason: ErrorReason.NOT_LEADER,
        outcome,
        retryable: true,
        leader: { memberId: `n${leader}`, address: c.address(leader) },
      },
    });
  }
  await expect(kv.stream("scan", {}, options)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  const stale = await kv.call("get", { key, consistency: Consistency.STALE }, options);
  expect(stale.header?.memberId).not.toBe(`n${leader}`);
}

describe("forwarding off", () => {
  for (const [setting, pick] of [
    ["the caller's metadata", ({ forwarder }: { forwarder: number }) => forwarder],
    ["the node's setting", () => 3],
  ] as const) {
    test(`C1: a follower with forwarding off by ${setting} refuses with the leader's address`, (c) =>
      underOneLeader(c, async () => {
        const roles = await node3Follows(c);
        const leader = c.node(roles.leader);
        await leader.kv.call("put", { key: bytes("c1/key"), value: bytes("kept") });
        const before = (await c.agree()).revision;
        const node = pick(roles);
        await expectRefusals(c, c.node(node), roles.leader, node === 3 ? {} : FORWARD_OFF);
        expect(await c.agree()).toMatchObject({ revision: before });
        const kept = await leader.kv.call("get", { key: bytes("c1/key") }, FORWARD_OFF);
        expect(text(kept.record?.value ?? bytes(""))).toBe("kept");
        await leader.kv.call("put", { key: bytes("c1/key"), value: bytes("by the leader") }, FORWARD_OFF);
      }));
  }

  test("C1: a follower cut off from the others answers no default read, with forwarding on or off", async (c) => {
    const { leader, forwarder } = await node3Follows(c);
    await c.node(leader).kv.call("put", { key: bytes("c1/cut"), value: bytes("old") });
    await c.agree();
    const isolated = c.node(forwarder);
    c.pause(leader);
    c.pause(3);
    const key = bytes("c1/cut");
    const replies = [
      await isolated.kv.attempt("get", { key }, { deadlineMs: 300 }),
      await isolated.kv.attempt("get", { key }, { ...FORWARD_OFF, deadlineMs: 300 }),
    ];
    const stale = await isolated.kv.call("get", { key, consistency: Consistency.STALE });
    c.resume(3);
    c.resume(leader);
    for (const reply of replies) expect(reply.ok).toBe(false);
    expect(text(stale.record?.value ?? bytes(""))).toBe("old");
    await c.agree();
  });

  test("C1: a call that was forwarded once is not forwarded again", (c) =>
    underOneLeader(c, async () => {
      const { leader, forwarder } = await node3Follows(c);
      const reply = await c
        .node(forwarder)
        .kv.attempt("put", { key: bytes("c1/hop") }, { metadata: { "quorate-hops": "1" } });
      expect(reply).toMatchObject({
        ok: false,
        code: "UNAVAILABLE",
        detail: { leader: { memberId: `n${leader}` } },
      });
      expect((await c.node(leader).kv.call("get", { key: bytes("c1/hop") })).record).toBeUndefined();
    }));
});

describe("forwarding on", () => {
  test("C2: a write to any node commits once and returns the leader's answer", (c) =>
    underOneLeader(c, async () => {
      const own = fresh("c2/any");
      const { leader, forwarder } = await node3Follows(c);
      const ways: [string, BareEndpoint][] = [
        ["leader", c.node(leader)],
        ["follower", c.node(forwarder)],
        ["gateway1", c.gateway(1)],
        ["gateway2", c.gateway(2)],
      ];
      for (const [way, { kv }] of ways) {
        const before = (await c.agree()).revision;
        const put = await kv.call("put", { key: bytes(`${own}/${way}`), value: bytes(way) });
        expect(put.header).toMatchObject({ memberId: `n${leader}`, revision: BigInt(before + 1) });
        const increment = await kv.call("increment", { key: bytes(`${own}/counter`), delta: 1n });
        expect(increment.header).toMatchObject({ memberId: `n${leader}`, revision: BigInt(before + 2) });
        const deletion = await kv.call("delete", { key: bytes(`${own}/${way}`), returnPrevious: true });
        expect(deletion).toMatchObject({
          deleted: 1n,
          previous: { modRevision: BigInt(before + 1), version: 1n },
        });
        expect((await c.agree()).revision).toBe(before + 3);
      }
      const { record } = await c.node(leader).kv.call("get", { key: bytes(`${own}/counter`) });
      expect(record).toMatchObject({ version: 4n });
      expect(text(record?.value ?? bytes(""))).toBe("4");
    }));

  test("C2: many concurrent writes through followers and gateways commit once each", (c) =>
    underOneLeader(c, async () => {
      const key = bytes(fresh("c2/many"));
      const { forwarder } = await node3Follows(c);
      const ways = [c.node(forwarder), c.gateway(1), c.gateway(2)];
      const before = (await c.agree()).revision;
      const values = await Promise.all(
        Array.from({ length: 90 }, async (_, at) => {
          const { kv } = ways[at % ways.length] as BareEndpoint;
          return (await kv.call("increment", { key, delta: 1n })).value;
        }),
      );
      expect([...values].sort((a, b) => Number(a - b))).toEqual(
        Array.from({ length: 90 }, (_, at) => BigInt(at + 1)),
      );
      expect((await c.agree()).revision).toBe(before + 90);
    }));

  test("C2: a write to a follower goes on when the leadership moves", async (c) => {
    // Where the target is too slow the transfer is called off.
    await inTime("the leadership moves while it is written", async () => {
      const { leader, forwarder } = await node3Follows(c);
      const { term } = await c.status(leader);
      const key = bytes(fresh("c2/moving"));
      let isOver = false;
      const writing = (async () => {
        for (let at = 1n; at <= 20n || !isOver; at += 1n) {
          const { value } = await c.gateway(1).kv.call("increment", { key, delta: 1n });
          if (value !== at) throw new NeverWill(`increment ${at} gave ${value}`);
        }
        return null;
      })().catch((failure: unknown) => failure);
      const moved = await c
        .node(forwarder)
        .admin.attempt("transferLeadership", { memberId: `n${forwarder}` })
        .finally(() => {
          isOver = true;
        });
      const failure = await writing;
      if (failure instanceof NeverWill) throw failure;
      const next = await c.leader();
      const after = await c.status(next);
      // After a transfer that was called off, or with an election besides, nobody may know what became of a write.
      if (!moved.ok || after.term > term + 1) return false;
      if (failure !== null) throw new NeverWill(String(failure));
      return next === forwarder;
    });
  });

  test("C3: after a forwarded write a read on that node sees it", (c) =>
    underOneLeader(c, async () => {
      const { forwarder } = await node3Follows(c);
      const { kv } = c.node(forwarder);
      for (let at = 0; at < 15; at += 1) {
        const key = bytes(`c3/${at % 5}`);
        const { header } = await kv.call("put", { key, value: bytes(`value ${at}`) });
        const read = await kv.call("get", { key });
        expect(text(read.record?.value ?? bytes(""))).toBe(`value ${at}`);
        expect(read.header?.memberId).toBe(`n${forwarder}`);
        const stale = { key, consistency: Consistency.STALE, minRevision: header?.revision ?? 0n };
        expect(text((await kv.call("get", stale)).record?.value ?? bytes(""))).toBe(`value ${at}`);
      }
      const [deleted] = await Promise.all([kv.call("delete", { key: bytes("c3/0") })]);
      expect(deleted.deleted).toBe(1n);
      expect((await kv.call("get", { key: bytes("c3/0") })).record).toBeUndefined();
    }));

  test("C11: concurrent writes to one key through different nodes converge to one value", (c) =>
    underOneLeader(c, async () => {
      await node3Follows(c);
      const key = bytes(fresh("c11"));
      const ways = [c.node(1), c.node(2), c.gateway(1), c.gateway(2)];
      const written = await Promise.all(
        ways.map(async ({ kv }, way) => {
          const puts: { revision: bigint; value: string }[] = [];
          for (let at = 0; at < 10; at += 1) {
            const value = `${way}/${at}`;
            const { header } = await kv.call("put", { key, value: bytes(value) });
            puts.push({ revision: header?.revision ?? 0n, value });
          }
          return puts;
        }),
      );
      const puts = written.flat().sort((a, b) => Number(a.revision - b.revision));
      expect(new Set(puts.map(({ revision }) => revision)).size).toBe(40);
      const last = puts.at(-1);
      await c.agree();
      for (const node of c.numbers) {
        const { record } = await c.node(node).kv.call("get", { key, consistency: Consistency.STALE });
        expect(record).toMatchObject({ modRevision: last?.revision, version: 40n });
        expect(text(record?.value ?? bytes(""))).toBe(last?.value);
      }
    }));
});

describe("the gateway", () => {
  /** Runs `during` while a write through the gateway waits for a leader that stands still and is then killed. */
  async function throughADyingLeader(c: TestCluster, key: string, options: BareOptions) {
    const leader = await c.leader();
    const [follower] = (await c.followers()) as [number];
    const { kv, admin } = c.gateway(1);
    await kv.call("put", { key: bytes(`${key}/warm`) });
    c.pause(leader);
    const open = kv.attempt("increment", { key: bytes(key), delta: 1n }, { ...options, deadlineMs: 60_000 });
    // Calls of one connection are taken up in their order, so the write is on its way once this one is answered.
    await admin.call("status", {}, { metadata: { "quorate-member": `n${follower}` } });
    await c.kill(leader);
    const reply = await open;
    await c.restart(leader);
    await c.agree();
    const { record } = await c.node(await c.leader()).kv.call("get", { key: bytes(key) });
    return { reply, value: record === undefined ? null : text(record.value) };
  }

  test("B7 C10: does not repeat a write without a request id that may have been applied", async (c) => {
    const { reply, value } = await throughADyingLeader(c, "gateway/once", {});
    expect(reply).toMatchObject({
      ok: false,
      code: "UNKNOWN",
      detail: { reason: ErrorReason.CONNECTION_LOST, outcome: Outcome.UNKNOWN },
    });
    expect([null, "1"]).toContain(value);
  });

  test("C10: repeats a write with a request id until it is answered, and it is applied once", async (c) => {
    const { clientId } = await c.node(1).kv.call("openSession", {});
    const metadata = { "quorate-request-id": `${clientId}/1/1` };
    const { reply, value } = await throughADyingLeader(c, "gateway/repeated", { metadata });
    expect(reply).toMatchObject({ ok: true, response: { value: 1n } });
    expect(value).toBe("1");
  });

  test("C2: repeats reads, and writes that nobody took, while there is no leader", async (c) => {
    const leader = await c.leader();
    await c.gateway(2).kv.call("put", { key: bytes("gateway/kept"), value: bytes("kept") });
    await c.kill(leader);
    // A call to the dead node lets the gateway notice: what it sent down a connection that it believes to be alive would
    // have been a write of unknown outcome, with no right to be repeated.
    const metadata = { "quorate-member": `n${leader}` };
    await inTime("the gateway has noticed", async () => {
      const reply = await c.gateway(2).admin.attempt("status", {}, { metadata, deadlineMs: 500 });
      return !reply.ok && reply.detail?.reason === ErrorReason.UNREACHABLE;
    });
    const [read, put] = await Promise.all([
      c.gateway(2).kv.call("get", { key: bytes("gateway/kept") }),
      c.gateway(2).kv.call("put", { key: bytes("gateway/new"), value: bytes("new") }),
    ]);
    expect(text(read.record?.value ?? bytes(""))).toBe("kept");
    expect(put.header?.memberId).not.toBe(`n${leader}`);
    expect((await c.gateway(1).kv.call("get", { key: bytes("gateway/new") })).record).toMatchObject({
      version: 1n,
    });
    await c.restart(leader);
    await c.agree();
  });
});
