import { bytes, type Reply, type TestCluster } from "#support";
import type { ErrorRow } from "./error-row";

async function openSession(c: TestCluster): Promise<bigint> {
  return (await c.node(1).kv.call("openSession", {})).clientId;
}

/** A put through node 1 under a request id. */
function putAs(c: TestCluster, requestId: string): Promise<Reply<unknown>> {
  const metadata = { "quorate-request-id": requestId };
  return c.node(1).kv.attempt("put", { key: bytes("b7/once"), value: bytes("x") }, { metadata });
}

/** What a session, or a request in it, can be refused for. */
export const sessionErrorRows: readonly ErrorRow[] = [
  {
    what: "a duration below the least",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /ttl_ms/,
    provoke: (c) => c.node(1).kv.attempt("openSession", { ttlMs: 9_999n }),
  },
  {
    what: "a malformed request id",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /quorate-request-id/,
    provoke: (c) => putAs(c, "one/two/three"),
  },
  {
    what: "a request far ahead in its session",
    code: "RESOURCE_EXHAUSTED",
    reason: "SESSION_WINDOW_FULL",
    message: /1024/,
    provoke: async (c) => putAs(c, `${await openSession(c)}/1025/1`),
  },
  {
    what: "a request that follows one without an answer",
    code: "ABORTED",
    reason: "OUT_OF_ORDER",
    message: /2 follows 1/,
    provoke: async (c) => putAs(c, `${await openSession(c)}/2/1/1`),
  },
  {
    what: "a request behind a later one of its session",
    code: "ABORTED",
    reason: "OUT_OF_ORDER",
    message: /1 comes behind 2/,
    async provoke(c) {
      const clientId = await openSession(c);
      await putAs(c, `${clientId}/2/1/0`);
      return putAs(c, `${clientId}/1/1/0`);
    },
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
];
