import { describe, expect } from "@jest/globals";
import { QuorateError } from "@quorate/client";
import {
  AppendResponse,
  CompactResponse,
  DeleteRangeResponse,
  DeleteResponse,
  ErrorReason,
  type GetResponse,
  IncrementResponse,
  LeaseServiceGrantResponse,
  LeaseServiceRevokeResponse,
  NamespaceServiceCreateResponse,
  NamespaceServiceDeleteResponse,
  NamespaceServiceSetQuotaResponse,
  Outcome,
  PrependResponse,
  PutResponse,
  type ResponseHeader,
  TruncateResponse,
  TxnResponse,
} from "@quorate/client/generated";
import {
  type BareEndpoint,
  type BareOptions,
  bytes,
  clusterOfFile,
  NeverWill,
  type Reply,
  type TestCluster,
} from "#support";
import { doing, operation } from "./bare-txn";
import { inTime, patientTests } from "./patient";

patientTests();

// With the fast timing a busy machine elects now and then, and a write without a request id has an unknown outcome.
const cluster = clusterOfFile({ nodes: 3, gateways: 1, profile: "default" });
const { test } = cluster;

const NAMESPACE = "c10";

/** What a round works on, made by it before its writes. */
interface Ground {
  readonly leaseId: bigint;
  readonly revision: bigint;
}

interface Answer {
  header: ResponseHeader | undefined;
}

/** A kind of write, and how its answers are read. */
interface Write {
  readonly name: string;
  send(endpoint: BareEndpoint, ground: Ground, options: BareOptions): Promise<Reply<unknown>>;
  readonly answer: {
    decode(body: Uint8Array): Answer;
    encode(answer: never): { finish(): Uint8Array };
  };
}

const namespace = NAMESPACE;
const n = bytes("n");
const word = bytes("word");

/** Every kind of write, in an order in which each does something that a second time would show. */
const writes: readonly Write[] = [
  {
    name: "Put",
    send: ({ kv }, { leaseId }, options) =>
      kv.attempt(
        "put",
        { namespace, key: bytes("leased"), value: bytes("x"), leaseId, returnPrevious: true },
        options,
      ),
    answer: PutResponse,
  },
  {
    name: "Increment",
    send: ({ kv }, _, options) => kv.attempt("increment", { namespace, key: n, delta: 1n }, options),
    answer: IncrementResponse,
  },
  {
    name: "Append",
    send: ({ kv }, _, options) => kv.attempt("append", { namespace, key: word, value: bytes("a") }, options),
    answer: AppendResponse,
  },
  {
    name: "Prepend",
    send: ({ kv }, _, options) => kv.attempt("prepend", { namespace, key: word, value: bytes("p") }, options),
    answer: PrependResponse,
  },
  {
    name: "Txn",
    send: ({ kv }, _, options) =>
      kv.attempt(
        "txn",
        {
          namespace,
          ...doing(
            operation("increment", { key: n, delta: 10n }),
            operation("append", { key: word, value: bytes("t") }),
            operation("get", { key: word }),
            operation("scan", { limit: 100n }),
            operation("txn", doing(operation("increment", { key: bytes("nested"), delta: 1n }))),
          ),
        },
        options,
      ),
    answer: TxnResponse,
  },
  {
    name: "Delete",
    send: ({ kv }, _, options) =>
      kv.attempt("delete", { namespace, key: bytes("goes"), returnPrevious: true }, options),
    answer: DeleteResponse,
  },
  {
    name: "DeleteRange",
    send: ({ kv }, _, options) => kv.attempt("deleteRange", { namespace, prefix: bytes("many/") }, options),
    answer: DeleteRangeResponse,
  },
  {
    name: "Grant",
    send: ({ leases }, _, options) => leases.attempt("grant", { namespace, ttlMs: 600_000n }, options),
    answer: LeaseServiceGrantResponse,
  },
  {
    name: "Revoke",
    send: ({ leases }, { leaseId }, options) => leases.attempt("revoke", { namespace, leaseId }, options),
    answer: LeaseServiceRevokeResponse,
  },
  {
    name: "Compact",
    send: ({ kv }, { revision }, options) => kv.attempt("compact", { namespace, revision }, options),
    answer: CompactResponse,
  },
];

/** Those of the namespaces, in the session of the default one, which they belong to. */
const namespaceWrites: readonly Write[] = [
  {
    name: "Create",
    send: ({ namespaces }, _, options) =>
      namespaces.attempt("create", { name: "c10-made", keysMax: 9n }, options),
    answer: NamespaceServiceCreateResponse,
  },
  {
    name: "SetQuota",
    send: ({ namespaces }, _, options) =>
      namespaces.attempt("setQuota", { name: "c10-there", keysMax: 7n }, options),
    answer: NamespaceServiceSetQuotaResponse,
  },
  {
    name: "Delete of a namespace",
    send: ({ namespaces }, _, options) => namespaces.attempt("delete", { name: "c10-there" }, options),
    answer: NamespaceServiceDeleteResponse,
  },
  {
    name: "Truncate",
    send: ({ kv }, _, options) => kv.attempt("truncate", {}, options),
    answer: TruncateResponse,
  },
];

/** Sent until it is answered, each time under the same request id; what answered is left out. */
async function answerOf(
  write: Write,
  endpoint: BareEndpoint,
  ground: Ground,
  requestId: string,
): Promise<string> {
  const options = { metadata: { "quorate-request-id": requestId }, deadlineMs: 10_000 };
  const body = await inTime(`${write.name} is answered`, async () => {
    const reply = await write.send(endpoint, ground, options);
    if (!reply.ok && reply.detail?.retryable !== true) {
      throw new NeverWill(`${write.name}: ${reply.code} ${reply.message}`);
    }
    return reply.ok ? reply.body : null;
  });
  const answer = write.answer.decode(body);
  if (answer.header !== undefined) answer.header = { ...answer.header, memberId: "", term: 0n };
  return Buffer.from(write.answer.encode(answer as never).finish()).toString("hex");
}

async function prepare(c: TestCluster): Promise<Ground> {
  const { kv, leases, namespaces } = c.node(1);
  await namespaces.attempt("create", { name: NAMESPACE });
  await namespaces.call("create", { name: "c10-there" });
  await kv.call("put", { namespace: "c10-there", key: n });
  const { leaseId } = await leases.call("grant", { namespace, ttlMs: 600_000n });
  for (const key of ["goes", "many/1", "many/2"]) await kv.call("put", { namespace, key: bytes(key) });
  const { header } = await kv.call("put", { key: bytes("beside") });
  return { leaseId, revision: header?.revision ?? 0n };
}

/** What is left of a session of which nothing is asked while other tests run, and a lease that ends later than it. */
interface Abandoned {
  readonly clientId: bigint;
  readonly leaseId: bigint;
}

const SESSION_TTL_MS = 10_000n;
const sessionKey = bytes("c10-session");

/** An increment under the first request id of a session, again while there is no leader. */
function sendFirst({ kv }: BareEndpoint, clientId: bigint): Promise<Reply<unknown>> {
  const metadata = { "quorate-request-id": `${clientId}/1/1` };
  return inTime("the first request is answered", async () => {
    const reply = await kv.attempt("increment", { key: sessionKey, delta: 1n }, { metadata });
    const isOpen = !reply.ok && reply.detail?.retryable === true;
    return isOpen ? null : reply;
  });
}

async function sessionRecord(c: TestCluster): Promise<GetResponse["record"]> {
  return (await c.node(1).kv.call("get", { key: sessionKey })).record;
}

async function expectExpired(c: TestCluster, clientId: bigint): Promise<void> {
  const before = await sessionRecord(c);
  for (const endpoint of [...c.numbers.map((node) => c.node(node)), c.gateway()]) {
    expect(await sendFirst(endpoint, clientId)).toMatchObject({
      ok: false,
      code: "FAILED_PRECONDITION",
      detail: { reason: ErrorReason.SESSION_EXPIRED, outcome: Outcome.NOT_APPLIED, retryable: false },
    });
  }
  expect(await sessionRecord(c)).toEqual(before);
}

describe("C10: writes that are sent again", () => {
  let abandoned: Abandoned;

  test("C10: a retry hears SESSION_EXPIRED from everybody, and is not applied again, where the session was closed", async (c) => {
    const { kv, leases } = c.node(1);
    const [closed, late] = await Promise.all([
      kv.call("openSession", { ttlMs: SESSION_TTL_MS }),
      kv.call("openSession", { ttlMs: SESSION_TTL_MS }),
    ]);
    expect(await sendFirst(c.node(1), closed.clientId)).toMatchObject({ ok: true });
    expect(await sendFirst(c.node(1), late.clientId)).toMatchObject({ ok: true });
    // Whatever is asked of a session keeps it, so it is let alone until a lease that was granted later has run out.
    const { leaseId } = await leases.call("grant", { ttlMs: SESSION_TTL_MS });
    abandoned = { clientId: late.clientId, leaseId };
    await kv.call("closeSession", { clientId: closed.clientId });
    await expectExpired(c, closed.clientId);
    expect(Buffer.from((await sessionRecord(c))?.value ?? []).toString()).toBe("2");
  });

  test("C10: every kind of write is answered as the first time through every node, across a leader change and the restart of all", async (c) => {
    const ground = await prepare(c);
    const sessions = await Promise.all([
      c.node(2).kv.call("openSession", { namespace }),
      c.node(3).kv.call("openSession", {}),
    ]);
    const all = [writes, namespaceWrites].flatMap((kinds, at) =>
      kinds.map((write, index) => ({ write, id: `${sessions[at]?.clientId}/${index + 1}/1` })),
    );
    const first = new Map<string, string>();
    for (const [at, { write, id }] of all.entries()) {
      first.set(write.name, await answerOf(write, c.node((at % 3) + 1), ground, id));
    }
    const state = await c.agree();
    const expectSame = async (endpoint: BareEndpoint): Promise<void> => {
      for (const { write, id } of all) {
        const again = await answerOf(write, endpoint, ground, id);
        expect({ write: write.name, again }).toEqual({ write: write.name, again: first.get(write.name) });
      }
    };
    for (const node of c.numbers) await expectSame(c.node(node));
    await expectSame(c.gateway());
    expect(await c.agree()).toEqual(state);

    const leader = await c.leader();
    await c.kill(leader);
    await expectSame(c.node(await c.leader()));
    await c.restart(leader);
    expect(await c.agree()).toEqual(state);

    await c.killAll();
    await c.restartAll();
    for (const node of c.numbers) await expectSame(c.node(node));
    expect(await c.agree()).toEqual(state);
    // What they did was done once.
    const { kv, leases } = c.node(2);
    const values = await kv.call("batchGet", { namespace, keys: [n, word, bytes("nested")] });
    expect(values.records.map(({ value }) => Buffer.from(value).toString())).toEqual(["11", "pat", "1"]);
    const list = await leases.call("list", { namespace });
    expect(list.leases).toHaveLength(1);
  });

  test("C10: the client says that the outcome is unknown where it is, and its next write is none the worse", async (c) => {
    const { kv } = c.client(await c.leader());
    await kv.put("c10-open", "5");
    await inTime("the write is under way when its time is over", async () => {
      const followers = await c.followers();
      for (const node of followers) c.pause(node);
      const failure = await kv.increment("c10-open", 1, { deadlineMs: 600 }).catch((error: unknown) => error);
      for (const node of followers) c.resume(node);
      await c.agree();
      if (!(failure instanceof QuorateError) || !failure.retryable) {
        throw new NeverWill(`a write without a quorum came to ${String(failure)}`);
      }
      if (failure.outcome === "unknown") return true;
      // On a busy machine the leader may have noticed before it was asked that it hears of nobody.
      const value = await kv.getText("c10-open");
      if (failure.outcome === "not_applied" && value === "5") return false;
      throw new NeverWill(`a write of outcome ${failure.outcome} left ${value}`);
    });
    // It may have been applied, once.
    expect(["5", "6"]).toContain(await kv.getText("c10-open"));
    expect([15n, 16n]).toContain(await kv.increment("c10-open", 10));
  });

  test("C10: a retry hears SESSION_EXPIRED from everybody, and is not applied again, where the session ran out", async (c) => {
    await inTime(
      "its time is over",
      async () => {
        const { leases } = await c.node(1).leases.call("list", {});
        return !leases.some(({ leaseId }) => leaseId === abandoned.leaseId);
      },
      { intervalMs: 200 },
    );
    await expectExpired(c, abandoned.clientId);
    await c.agree();
  });
});
