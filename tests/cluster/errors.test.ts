import { connect } from "node:net";
import { describe, expect } from "@jest/globals";
import { QuorateError } from "@quorate/client";
import { ErrorReason, Outcome } from "@quorate/client/generated";
import {
  type BareEndpoint,
  bytes,
  type CodeName,
  clusterOfFile,
  eventually,
  noise,
  ownEntries,
  type Reply,
  type TestCluster,
  text,
  unaryBytes,
} from "#support";

const cluster = clusterOfFile({ nodes: 3, gateways: 1 });
const { test } = cluster;

/**
 * Bytes that are no Protobuf message: a tag without end, a length beyond the end, a wire type
 * that there is not, field numbers of 0, the end of a group that never began, a length of 4 GiB.
 */
const garbage: readonly Uint8Array[] = [
  Uint8Array.of(0xff, 0xff, 0xff),
  Uint8Array.of(0x12, 0x7f, 0x61),
  Uint8Array.of(0x0f),
  Uint8Array.of(0x00),
  Uint8Array.of(0x00, 0x61),
  Uint8Array.of(0x02, 0x01, 0x61),
  Uint8Array.of(0x0c),
  Uint8Array.of(0x12, 0xff, 0xff, 0xff, 0xff, 0x0f),
];

function failed<R extends Reply<unknown>>(reply: R): Extract<R, { ok: false }> {
  if (reply.ok) throw new Error("the call should have failed");
  return reply as Extract<R, { ok: false }>;
}

describe("malformed and oversized messages", () => {
  test("B1: a malformed message gets a status, and the next call on the channel succeeds", async (c) => {
    for (const endpoint of [c.freshEndpoint(1), c.freshEndpoint(2), c.freshEndpoint(3), c.gateway()]) {
      for (const [at, body] of garbage.entries()) {
        const reply = failed(await endpoint.kv.attemptBytes("put", body));
        expect(reply).toMatchObject({ code: "INVALID_ARGUMENT", detail: { outcome: Outcome.NOT_APPLIED } });
        expect(reply.detail?.reason).toBe(ErrorReason.MALFORMED_REQUEST);
        const key = bytes(`b1/${at}`);
        await endpoint.kv.call("put", { key, value: bytes("valid") });
        expect((await endpoint.kv.call("get", { key })).record?.key).toHaveLength(key.length);
      }
    }
  });

  test("B1: every unary method answers a malformed message with a status", async (c) => {
    const { kv, admin } = c.node(await c.leader());
    const [tag] = garbage as [Uint8Array];
    const replies = [
      ...(await Promise.all(
        (
          [
            "openSession",
            "closeSession",
            "put",
            "get",
            "batchGet",
            "delete",
            "deleteRange",
            "count",
            "exists",
            "increment",
            "append",
            "prepend",
            "truncate",
          ] as const
        ).map((method) => kv.attemptBytes(method, tag)),
      )),
      ...(await Promise.all(
        (["status", "listMembers", "transferLeadership", "hash", "stats"] as const).map((method) =>
          admin.attemptBytes(method, tag),
        ),
      )),
    ];
    for (const reply of replies) expect(reply).toMatchObject({ ok: false, code: "INVALID_ARGUMENT" });
    const health = await unaryBytes(c.node(1).client(), "/grpc.health.v1.Health/Check", tag);
    expect(health.ok).toBe(false);
    expect(await c.node(1).health("")).toBe("SERVING");
  });

  test("B1: bytes that are not even HTTP/2 end that connection and nothing else", async (c) => {
    for (const node of c.numbers) {
      for (const port of [Number(c.address(node).split(":")[1]), c.topology.peerPort(node)]) {
        const socket = connect(port, "127.0.0.1");
        const closed = new Promise((resolve) => socket.once("close", resolve));
        socket.on("error", () => undefined);
        socket.resume();
        socket.write(Buffer.from(noise(4096, port)));
        await closed;
      }
      await c.node(node).kv.call("put", { key: bytes("b1/after"), value: bytes("served") });
    }
    await c.agree();
  });

  test("B2: a value over the limit is refused, the server lives, and the log is unchanged", async (c) => {
    const limit = Number((await c.status(1)).limits?.valueBytesMax);
    for (const endpoint of [...c.numbers.map((node) => c.node(node)), c.gateway()]) {
      const value = noise(limit + 1, 1);
      const entries = await ownEntries(c, async () => {
        const reply = failed(await endpoint.kv.attempt("put", { key: bytes("b2/value"), value }));
        expect(reply).toMatchObject({
          code: "RESOURCE_EXHAUSTED",
          message: expect.stringContaining(String(limit)),
          detail: { reason: ErrorReason.TOO_LARGE, outcome: Outcome.NOT_APPLIED, retryable: false },
        });
      });
      expect(entries).toBe(0);
      expect((await endpoint.kv.call("get", { key: bytes("b2/value") })).record).toBeUndefined();
    }
  });

  test("B2: a message over the limit is refused, the server lives, and the log is unchanged", async (c) => {
    const limit = Number((await c.status(1)).limits?.requestBytesMax);
    for (const [at, endpoint] of [...c.numbers.map((node) => c.node(node)), c.gateway()].entries()) {
      for (const lengthBytes of [limit + 1, 6 * 1024 * 1024]) {
        const body = new Uint8Array(lengthBytes);
        const entries = await ownEntries(c, async () => {
          const reply = failed(await endpoint.kv.attemptBytes("put", body));
          expect({ at, lengthBytes, ...reply }).toMatchObject({
            at,
            lengthBytes,
            code: "RESOURCE_EXHAUSTED",
          });
        });
        expect(entries).toBe(0);
      }
      await endpoint.kv.call("put", { key: bytes("b2/after"), value: bytes("served") });
    }
  });

  test("B2: a value that would grow over the limit is refused and stays as it is", async (c) => {
    const limit = Number((await c.status(1)).limits?.valueBytesMax);
    const { kv } = c.node(2);
    const key = bytes("b2/grown");
    const put = await kv.call("put", { key, value: new Uint8Array(limit) });
    for (const method of ["append", "prepend"] as const) {
      const reply = failed(await kv.attempt(method, { key, value: bytes("x") }));
      expect(reply).toMatchObject({ code: "RESOURCE_EXHAUSTED", detail: { reason: ErrorReason.TOO_LARGE } });
    }
    const { header, record } = await kv.call("get", { key });
    expect(record).toMatchObject({ modRevision: put.header?.revision, version: 1n });
    expect(header?.revision).toBe(put.header?.revision);
  });

  test("B3: five clients that mix valid and invalid calls: every valid one succeeds", async (c) => {
    const clients = [
      c.freshEndpoint(1),
      c.freshEndpoint(2),
      c.freshEndpoint(3),
      c.freshEndpoint(1),
      c.gateway(),
    ];
    const tooLong = new Uint8Array(4097);
    const invalid: ((endpoint: BareEndpoint) => Promise<Reply<unknown>>)[] = [
      ({ kv }) => kv.attempt("put", { key: bytes("") }),
      ({ kv }) => kv.attemptBytes("put", garbage[0] as Uint8Array),
      ({ kv }) => kv.attempt("get", { key: tooLong }),
      ({ kv }) => kv.attempt("increment", { key: bytes("b3/word"), delta: 1n }),
      ({ kv }) => kv.attempt("put", { key: bytes("b3/none"), namespace: "nowhere" }),
      ({ kv }) => kv.attempt("deleteRange", {}),
      ({ kv }) => kv.attempt("put", { key: bytes("b3/big"), value: new Uint8Array(1_048_577) }),
    ];
    await c.node(1).kv.call("put", { key: bytes("b3/word"), value: bytes("no number") });
    await Promise.all(
      clients.map(async (endpoint, client) => {
        for (let turn = 0; turn < 28; turn += 1) {
          const key = bytes(`b3/${client}/${turn}`);
          const [refused, put] = await Promise.all([
            (invalid[turn % invalid.length] as (typeof invalid)[number])(endpoint),
            endpoint.kv.attempt("put", { key, value: bytes(`${turn}`) }),
          ]);
          expect({ turn, put }).toMatchObject({ turn, put: { ok: true } });
          expect({ turn, refused }).toMatchObject({ turn, refused: { ok: false } });
        }
      }),
    );
    expect((await c.node(1).kv.call("count", { prefix: bytes("b3/") })).count).toBe(BigInt(5 * 28 + 1));
    expect((await c.agree()).count).toBeGreaterThan(0);
  });
});

/** A way to provoke a failure. */
interface Row {
  readonly what: string;
  readonly code: CodeName;
  readonly reason: keyof typeof ErrorReason;
  readonly message?: RegExp;
  provoke(c: TestCluster): Promise<Reply<unknown>>;
}

async function openSession(c: TestCluster): Promise<bigint> {
  return (await c.node(1).kv.call("openSession", {})).clientId;
}

/** A put through node 1 under a request id. */
function putAs(c: TestCluster, requestId: string): Promise<Reply<unknown>> {
  const metadata = { "quorate-request-id": requestId };
  return c.node(1).kv.attempt("put", { key: bytes("b7/once"), value: bytes("x") }, { metadata });
}

const LONG = new Uint8Array(4097).fill(1);

const rows: readonly Row[] = [
  {
    what: "a key over the limit",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /key.*4097.*4096/,
    provoke: (c) => c.node(1).kv.attempt("put", { key: LONG }),
  },
  {
    what: "a range that ends before it starts",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /start.*end/,
    provoke: (c) => c.node(2).kv.attempt("count", { start: bytes("b"), end: bytes("a") }),
  },
  {
    what: "a prefix together with a range",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /prefix/,
    provoke: (c) => c.node(3).kv.attempt("deleteRange", { prefix: bytes("b"), start: bytes("a") }),
  },
  {
    what: "a deletion of everything by omission",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /prefix/,
    provoke: (c) => c.node(1).kv.attempt("deleteRange", {}),
  },
  {
    what: "an unknown enum value",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /consistency.*99/,
    provoke: (c) => c.node(1).kv.attempt("get", { key: bytes("k"), consistency: 99 as never }),
  },
  {
    what: "a duration below the least",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /ttl_ms/,
    provoke: (c) => c.node(1).kv.attempt("openSession", { ttlMs: 9_999n }),
  },
  {
    what: "a negative duration",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /max_staleness_ms/,
    provoke: (c) => c.node(1).kv.attempt("get", { key: bytes("k"), maxStalenessMs: -1n }),
  },
  {
    what: "a negative revision",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /min_revision/,
    provoke: (c) => c.node(1).kv.attempt("get", { key: bytes("k"), minRevision: -1n }),
  },
  {
    what: "a malformed request id",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /quorate-request-id/,
    provoke: (c) => putAs(c, "one/two/three"),
  },
  {
    what: "a malformed message",
    code: "INVALID_ARGUMENT",
    reason: "MALFORMED_REQUEST",
    provoke: (c) => c.node(1).kv.attemptBytes("get", Uint8Array.of(0xff)),
  },
  {
    what: "a value over the limit",
    code: "RESOURCE_EXHAUSTED",
    reason: "TOO_LARGE",
    message: /value.*1048576/,
    provoke: (c) => c.node(1).kv.attempt("put", { key: bytes("k"), value: new Uint8Array(1_048_577) }),
  },
  {
    what: "too many keys",
    code: "RESOURCE_EXHAUSTED",
    reason: "TOO_LARGE",
    message: /keys.*10000/,
    provoke: (c) => c.node(1).kv.attempt("exists", { keys: Array<Uint8Array>(10_001).fill(bytes("k")) }),
  },
  {
    what: "a request far ahead in its session",
    code: "RESOURCE_EXHAUSTED",
    reason: "SESSION_WINDOW_FULL",
    message: /1024/,
    provoke: async (c) => putAs(c, `${await openSession(c)}/1025/1`),
  },
  {
    what: "a write to a follower that may not forward",
    code: "UNAVAILABLE",
    reason: "NOT_LEADER",
    async provoke(c) {
      const [follower] = await c.followers();
      return c
        .node(follower as number)
        .kv.attempt("put", { key: bytes("k") }, { metadata: { "quorate-forward": "off" } });
    },
  },
  {
    what: "an increment of a word",
    code: "FAILED_PRECONDITION",
    reason: "NOT_AN_INTEGER",
    async provoke(c) {
      await c.node(1).kv.call("put", { key: bytes("b7/word"), value: bytes("word") });
      return c.node(1).kv.attempt("increment", { key: bytes("b7/word"), delta: 1n });
    },
  },
  {
    what: "a put whose condition fails",
    code: "FAILED_PRECONDITION",
    reason: "CONDITION_FAILED",
    message: /expected_mod_revision is 7.*0/,
    provoke: (c) => c.node(1).kv.attempt("put", { key: bytes("b7/absent"), expectedModRevision: 7n }),
  },
  {
    what: "a session that never was",
    code: "FAILED_PRECONDITION",
    reason: "SESSION_EXPIRED",
    message: /client_id 987654321/,
    provoke: (c) => putAs(c, "987654321/1/1"),
  },
  {
    what: "a session that was closed",
    code: "FAILED_PRECONDITION",
    reason: "SESSION_EXPIRED",
    async provoke(c) {
      const clientId = await openSession(c);
      await c.node(2).kv.call("closeSession", { clientId });
      return putAs(c, `${clientId}/1/1`);
    },
  },
  {
    what: "a retry whose answer the client said to have",
    code: "FAILED_PRECONDITION",
    reason: "ANSWER_DROPPED",
    async provoke(c) {
      const clientId = await openSession(c);
      await putAs(c, `${clientId}/1/1`);
      await putAs(c, `${clientId}/2/2`);
      return putAs(c, `${clientId}/1/1`);
    },
  },
  {
    what: "an overflow",
    code: "OUT_OF_RANGE",
    reason: "INTEGER_OVERFLOW",
    async provoke(c) {
      const max = 2n ** 63n - 1n;
      await c.node(1).kv.call("put", { key: bytes("b7/max"), value: bytes(String(max)) });
      return c.node(1).kv.attempt("increment", { key: bytes("b7/max"), delta: 1n });
    },
  },
  {
    what: "a future revision",
    code: "OUT_OF_RANGE",
    reason: "FUTURE_REVISION",
    message: /1000000000/,
    provoke: (c) => c.node(1).kv.attempt("get", { key: bytes("k"), revision: 1_000_000_000n }),
  },
  {
    what: "a revision from before a truncation",
    code: "OUT_OF_RANGE",
    reason: "COMPACTED",
    async provoke(c) {
      const put = await c.node(1).kv.call("put", { key: bytes("b7/old"), value: bytes("old") });
      await c.node(1).kv.call("truncate", {});
      return c.node(1).kv.attempt("get", { key: bytes("b7/old"), revision: put.header?.revision ?? 0n });
    },
  },
  {
    what: "a write to an unknown namespace",
    code: "NOT_FOUND",
    reason: "UNKNOWN_NAMESPACE",
    message: /nowhere/,
    provoke: (c) => c.node(1).kv.attempt("put", { key: bytes("k"), namespace: "nowhere" }),
  },
  {
    what: "a read of an unknown namespace",
    code: "NOT_FOUND",
    reason: "UNKNOWN_NAMESPACE",
    message: /nowhere/,
    provoke: (c) => c.node(1).kv.attempt("get", { key: bytes("k"), namespace: "nowhere" }),
  },
  {
    what: "an unknown lease",
    code: "NOT_FOUND",
    reason: "UNKNOWN_LEASE",
    message: /lease_id 7/,
    provoke: (c) => c.node(1).kv.attempt("put", { key: bytes("k"), leaseId: 7n }),
  },
  {
    what: "a transfer to an unknown member",
    code: "NOT_FOUND",
    reason: "UNKNOWN_MEMBER",
    message: /n9/,
    provoke: (c) => c.node(1).admin.attempt("transferLeadership", { memberId: "n9" }),
  },
  {
    what: "the status of an unknown member",
    code: "NOT_FOUND",
    reason: "UNKNOWN_MEMBER",
    message: /n9/,
    provoke: (c) => c.gateway().admin.attempt("status", {}, { metadata: { "quorate-member": "n9" } }),
  },
];

describe("the table of errors", () => {
  for (const { what, code, reason, message = /./, provoke } of rows) {
    test(`B7: ${what} is ${code}, ${reason}`, async (c) => {
      const reply = failed(await provoke(c));
      expect(reply).toMatchObject({ code, message: expect.stringMatching(message) });
      expect(reply.detail?.reason).toBe(ErrorReason[reason]);
    });
  }

  test("B7: an unknown method is UNIMPLEMENTED", async (c) => {
    for (const endpoint of [c.node(1), c.gateway()]) {
      const reply = await unaryBytes(endpoint.client(), "/quorate.kv.v1.KvService/Nonsense", bytes(""));
      expect(reply).toMatchObject({ ok: false, code: "UNIMPLEMENTED" });
    }
  });

  test("B7: a refusal names the leader, the oldest revision, and what became of the write", async (c) => {
    const leader = await c.leader();
    const [follower] = (await c.followers()) as [number];
    const metadata = { "quorate-forward": "off" };
    const refused = failed(await c.node(follower).kv.attempt("put", { key: bytes("k") }, { metadata }));
    expect(refused.detail).toMatchObject({
      retryable: true,
      outcome: Outcome.NOT_APPLIED,
      leader: { memberId: `n${leader}`, address: c.address(leader) },
    });
    const { header } = await c.node(1).kv.call("put", { key: bytes("b7/t") });
    const { header: truncation } = await c.node(1).kv.call("truncate", {});
    const compacted = failed(
      await c.node(2).kv.attempt("get", { key: bytes("b7/t"), revision: header?.revision ?? 0n }),
    );
    expect(compacted.detail?.oldestRevision).toBe(truncation?.revision);
  });
});

describe("the typed client", () => {
  test("B8: failures arrive as typed errors", async (c) => {
    const { kv } = c.client([1, 2, 3]);
    const failure = async (call: Promise<unknown>): Promise<QuorateError> => {
      const thrown = await call.then(
        () => null,
        (error: unknown) => error,
      );
      if (!(thrown instanceof QuorateError)) throw new Error(`not a QuorateError: ${String(thrown)}`);
      return thrown;
    };
    await kv.put("b8/word", "word");
    const notApplied = { retryable: false, outcome: "not_applied", leader: null };
    expect(await failure(kv.put("", "x"))).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_ARGUMENT",
      ...notApplied,
    });
    expect(await failure(kv.put("b8/big", new Uint8Array(1_048_577)))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "TOO_LARGE",
      ...notApplied,
    });
    expect(await failure(kv.increment("b8/word"))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "NOT_AN_INTEGER",
      ...notApplied,
    });
    expect(await failure(kv.put("b8/word", "x", { expectedModRevision: 0 }))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "CONDITION_FAILED",
      ...notApplied,
    });
    expect(await failure(kv.put("b8/x", "x", { namespace: "nowhere" }))).toMatchObject({
      code: "NOT_FOUND",
      reason: "UNKNOWN_NAMESPACE",
      ...notApplied,
    });
    expect(await failure(kv.get("b8/x", { revision: 10 ** 12 }))).toMatchObject({
      code: "OUT_OF_RANGE",
      reason: "FUTURE_REVISION",
    });
    expect(await kv.getText("b8/word")).toBe("word");
  });

  test("B8: without a quorum a call fails with a typed error at the default deadline of 5 s", async (c) => {
    const quorate = c.client([1, 2, 3]);
    await quorate.kv.put("b8/before", "kept");
    const [survivor, ...others] = c.numbers as [number, ...number[]];
    for (const node of others) await c.kill(node);
    await eventually("the survivor knows no leader", async () => (await c.status(survivor)).leaderId === "");
    const timed = async (call: Promise<unknown>) => {
      const startMs = performance.now();
      const error = await call.then(
        () => null,
        (thrown: unknown) => thrown,
      );
      return { error, elapsedMs: performance.now() - startMs };
    };
    const [write, read, short] = await Promise.all([
      timed(quorate.kv.put("b8/after", "lost")),
      timed(quorate.kv.get("b8/before")),
      timed(quorate.kv.get("b8/before", { deadlineMs: 1000 })),
    ]);
    for (const { error } of [write, read, short]) {
      expect(error).toBeInstanceOf(QuorateError);
      expect(["UNAVAILABLE", "DEADLINE_EXCEEDED"]).toContain((error as QuorateError).code);
      expect((error as QuorateError).retryable).toBe(true);
    }
    for (const { elapsedMs } of [write, read]) {
      expect(elapsedMs).toBeGreaterThan(4000);
      expect(elapsedMs).toBeLessThan(5600);
    }
    expect(short.elapsedMs).toBeLessThan(1600);
    expect(
      text(
        (await c.node(survivor).kv.call("get", { key: bytes("b8/before"), consistency: 2 })).record?.value ??
          bytes(""),
      ),
    ).toBe("kept");
    await c.restartAll();
    expect(await quorate.kv.getText("b8/before")).toBe("kept");
    const isThere = (await quorate.kv.get("b8/after")) !== undefined;
    expect((write.error as QuorateError).outcome === "not_applied" && isThere).toBe(false);
  }, 60_000);

  test("B7: with the other nodes gone a node says NO_LEADER, and UNREACHABLE of a member that is gone", async (c) => {
    const [survivor, gone, ...rest] = c.numbers as [number, number, ...number[]];
    for (const node of [gone, ...rest]) await c.kill(node);
    await eventually("the survivor knows no leader", async () => (await c.status(survivor)).leaderId === "");
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
    await c.restartAll();
  }, 60_000);

  test("B7: a write that its leader cannot replicate by the deadline is DEADLINE_EXCEEDED or UNKNOWN, and open", async (c) => {
    const leader = await c.leader();
    const followers = await c.followers();
    for (const node of followers) c.pause(node);
    const endpoint = c.node(leader);
    const quick = await endpoint.kv.attempt(
      "put",
      { key: bytes("b7/quick"), value: bytes("x") },
      { deadlineMs: 100 },
    );
    const patient = await endpoint.kv.attempt(
      "put",
      { key: bytes("b7/patient"), value: bytes("x") },
      { deadlineMs: 8000 },
    );
    for (const node of followers) c.resume(node);
    expect(failed(quick).code).toBe("DEADLINE_EXCEEDED");
    expect(["UNKNOWN", "UNAVAILABLE"]).toContain(failed(patient).code);
    expect([ErrorReason.LEADERSHIP_LOST, ErrorReason.NO_LEADER]).toContain(failed(patient).detail?.reason);
    await c.agree();
  });
});
