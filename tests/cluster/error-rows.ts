import type { ErrorReason } from "@quorate/client/generated";
import { bytes, type CodeName, type Reply, type TestCluster } from "#support";
import { doing, operation } from "./bare-txn";

/** What the nodes of the cluster are started with, so that a range over the limit is quickly filled. */
export const BATCH_RECORDS_MAX = 100;

/** A way to provoke a failure. */
export interface ErrorRow {
  readonly what: string;
  readonly code: CodeName;
  readonly reason: keyof typeof ErrorReason;
  readonly message?: RegExp;
  /** Of a read nothing is said about what became of it. */
  readonly isRead?: true;
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

/** A namespace of a row's own. */
async function ownNamespace(c: TestCluster, name: string, fields: object = {}): Promise<string> {
  await c.node(1).namespaces.call("create", { name, ...fields });
  return name;
}

/** A namespace whose history begins at its second put. @returns the revisions of the two */
export async function compactedNamespace(
  c: TestCluster,
  name: string,
): Promise<{ namespace: string; first: bigint; second: bigint }> {
  const namespace = await ownNamespace(c, name);
  const put = async (): Promise<bigint> =>
    (await c.node(1).kv.call("put", { namespace, key: bytes("k") })).header?.revision ?? 0n;
  const [first, second] = [await put(), await put()];
  await c.node(1).kv.call("compact", { namespace, revision: second });
  return { namespace, first, second };
}

const LONG = new Uint8Array(4097).fill(1);

/** Every row of the error table that one call against a healthy cluster can provoke. */
export const errorRows: readonly ErrorRow[] = [
  {
    what: "a key over the limit",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /key.*4097.*4096/,
    provoke: (c) => c.node(1).kv.attempt("put", { key: LONG }),
  },
  {
    what: "a range that ends before it starts",
    isRead: true,
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
    isRead: true,
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
    isRead: true,
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /max_staleness_ms/,
    provoke: (c) => c.node(1).kv.attempt("get", { key: bytes("k"), maxStalenessMs: -1n }),
  },
  {
    what: "a negative revision",
    isRead: true,
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
    isRead: true,
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
    isRead: true,
    code: "RESOURCE_EXHAUSTED",
    reason: "TOO_LARGE",
    message: /keys.*100/,
    provoke: (c) =>
      c.node(1).kv.attempt("exists", { keys: Array<Uint8Array>(BATCH_RECORDS_MAX + 1).fill(bytes("k")) }),
  },
  {
    what: "a range of too many keys to delete",
    code: "RESOURCE_EXHAUSTED",
    reason: "TOO_LARGE",
    message: /100/,
    async provoke(c) {
      const keys = Array.from({ length: BATCH_RECORDS_MAX + 1 }, (_, at) => bytes(`b7/many/${at}`));
      await Promise.all(keys.map((key) => c.node(1).kv.call("put", { key })));
      return c.node(1).kv.attempt("deleteRange", { prefix: bytes("b7/many/") });
    },
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
    isRead: true,
    code: "OUT_OF_RANGE",
    reason: "FUTURE_REVISION",
    message: /1000000000/,
    provoke: (c) => c.node(1).kv.attempt("get", { key: bytes("k"), revision: 1_000_000_000n }),
  },
  {
    what: "a revision from before a truncation",
    isRead: true,
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
    isRead: true,
    code: "NOT_FOUND",
    reason: "UNKNOWN_NAMESPACE",
    message: /nowhere/,
    provoke: (c) => c.node(1).kv.attempt("get", { key: bytes("k"), namespace: "nowhere" }),
  },
  {
    what: "a namespace that is there already",
    code: "ALREADY_EXISTS",
    reason: "NAMESPACE_EXISTS",
    message: /"default"/,
    provoke: (c) => c.node(1).namespaces.attempt("create", { name: "default" }),
  },
  {
    what: "a namespace with a bad name",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /name must be 1 to 64/,
    provoke: (c) => c.gateway().namespaces.attempt("create", { name: "a b" }),
  },
  {
    what: "an unknown lease",
    code: "NOT_FOUND",
    reason: "UNKNOWN_LEASE",
    message: /lease_id 7/,
    provoke: (c) => c.node(1).kv.attempt("put", { key: bytes("k"), leaseId: 7n }),
  },
  {
    what: "an unknown lease to be revoked",
    code: "NOT_FOUND",
    reason: "UNKNOWN_LEASE",
    message: /lease_id 7/,
    provoke: (c) => c.node(2).leases.attempt("revoke", { leaseId: 7n }),
  },
  {
    what: "the time to live of an unknown lease",
    isRead: true,
    code: "NOT_FOUND",
    reason: "UNKNOWN_LEASE",
    message: /lease_id 7/,
    provoke: (c) => c.gateway().leases.attempt("timeToLive", { leaseId: 7n }),
  },
  {
    what: "a lease of another namespace",
    code: "NOT_FOUND",
    reason: "UNKNOWN_LEASE",
    async provoke(c) {
      const namespace = await ownNamespace(c, "b7-lease");
      const { leaseId } = await c.node(1).leases.call("grant", { namespace, ttlMs: 60_000n });
      return c.node(1).kv.attempt("put", { key: bytes("k"), leaseId });
    },
  },
  {
    what: "an unknown lease in a Txn",
    code: "NOT_FOUND",
    reason: "UNKNOWN_LEASE",
    message: /lease_id 7/,
    provoke: (c) =>
      c.node(1).kv.attempt("txn", doing(operation("put", { key: bytes("b7/txn"), leaseId: 7n }))),
  },
  {
    what: "a lease that lives shorter than the least",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /ttl_ms/,
    provoke: (c) => c.node(1).leases.attempt("grant", { ttlMs: 1n }),
  },
  {
    what: "a value in a Txn that would grow over the limit",
    code: "RESOURCE_EXHAUSTED",
    reason: "TOO_LARGE",
    message: /value.*1048576/,
    async provoke(c) {
      await c.node(1).kv.call("put", { key: bytes("b7/grown"), value: new Uint8Array(1_048_576) });
      const append = operation("append", { key: bytes("b7/grown"), value: bytes("x") });
      return c.node(1).kv.attempt("txn", doing(append));
    },
  },
  {
    what: "a Txn whose answer would be too large",
    code: "RESOURCE_EXHAUSTED",
    reason: "TOO_LARGE",
    message: /answer.*2097152/,
    async provoke(c) {
      await c.node(1).kv.call("put", { key: bytes("b7/read"), value: new Uint8Array(1_048_576) });
      const get = operation("get", { key: bytes("b7/read") });
      return c.node(1).kv.attempt("txn", doing(get, get));
    },
  },
  {
    what: "a range of a Txn with too many keys to delete",
    code: "RESOURCE_EXHAUSTED",
    reason: "TOO_LARGE",
    message: /100/,
    async provoke(c) {
      const namespace = await ownNamespace(c, "b7-many");
      const puts = Array.from({ length: BATCH_RECORDS_MAX + 1 }, (_, at) =>
        operation("put", { key: bytes(`many/${at}`) }),
      );
      await c.node(1).kv.call("txn", { namespace, ...doing(...puts) });
      const deletion = operation("deleteRange", { prefix: bytes("many/") });
      return c.node(1).kv.attempt("txn", { namespace, ...doing(deletion) });
    },
  },
  {
    what: "too many operations in a Txn",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /success.*129.*128/,
    provoke: (c) =>
      c
        .node(1)
        .kv.attempt("txn", doing(...Array(129).fill(operation("put", { key: bytes("b7/one-too-many") })))),
  },
  {
    what: "a Txn nested twice",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /nested/,
    provoke: (c) => {
      const put = operation("put", { key: bytes("b7/deep") });
      const nested = operation("txn", doing(operation("txn", doing(put))));
      return c.node(1).kv.attempt("txn", doing(nested));
    },
  },
  {
    what: "an operation of a Txn that is not set",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /operation/,
    provoke: (c) => c.node(1).kv.attempt("txn", { success: [{ operation: undefined }] }),
  },
  {
    what: "an increment of a word in a Txn",
    code: "FAILED_PRECONDITION",
    reason: "NOT_AN_INTEGER",
    async provoke(c) {
      const key = bytes("b7/txn-word");
      return c
        .node(1)
        .kv.attempt(
          "txn",
          doing(operation("put", { key, value: bytes("word") }), operation("increment", { key, delta: 1n })),
        );
    },
  },
  {
    what: "a put in a Txn whose condition fails",
    code: "FAILED_PRECONDITION",
    reason: "CONDITION_FAILED",
    provoke: (c) =>
      c
        .node(1)
        .kv.attempt("txn", doing(operation("put", { key: bytes("b7/absent"), expectedModRevision: 7n }))),
  },
  {
    what: "more keys than the quota of a namespace",
    code: "RESOURCE_EXHAUSTED",
    reason: "QUOTA_EXCEEDED",
    message: /1/,
    async provoke(c) {
      const namespace = await ownNamespace(c, "b7-keys", { keysMax: 1n });
      await c.node(1).kv.call("put", { namespace, key: bytes("a") });
      return c.node(2).kv.attempt("put", { namespace, key: bytes("b") });
    },
  },
  {
    what: "more bytes than the quota of a namespace, by an increment",
    code: "RESOURCE_EXHAUSTED",
    reason: "QUOTA_EXCEEDED",
    message: /3/,
    async provoke(c) {
      const namespace = await ownNamespace(c, "b7-bytes", { bytesMax: 3n });
      await c.node(1).kv.call("put", { namespace, key: bytes("n"), value: bytes("99") });
      return c.gateway().kv.attempt("increment", { namespace, key: bytes("n"), delta: 1n });
    },
  },
  {
    what: "a Txn that ends above the quota of its namespace",
    code: "RESOURCE_EXHAUSTED",
    reason: "QUOTA_EXCEEDED",
    async provoke(c) {
      const namespace = await ownNamespace(c, "b7-txn", { keysMax: 1n });
      const [a, b] = ["a", "b"].map((key) => operation("put", { key: bytes(key) })) as [never, never];
      return c.node(3).kv.attempt("txn", { namespace, ...doing(a, b) });
    },
  },
  {
    what: "a revision from before a compaction",
    isRead: true,
    code: "OUT_OF_RANGE",
    reason: "COMPACTED",
    async provoke(c) {
      const { namespace, first } = await compactedNamespace(c, "b7-compacted");
      return c.node(2).kv.attempt("get", { namespace, key: bytes("k"), revision: first });
    },
  },
  {
    what: "a compaction to before the last one",
    code: "OUT_OF_RANGE",
    reason: "COMPACTED",
    async provoke(c) {
      const { namespace, first } = await compactedNamespace(c, "b7-compacted-again");
      return c.node(3).kv.attempt("compact", { namespace, revision: first });
    },
  },
  {
    what: "a compaction into the future",
    code: "OUT_OF_RANGE",
    reason: "FUTURE_REVISION",
    message: /1000000000/,
    provoke: (c) => c.node(2).kv.attempt("compact", { revision: 1_000_000_000n }),
  },
  {
    what: "a read that must have seen what nobody wrote",
    isRead: true,
    code: "OUT_OF_RANGE",
    reason: "FUTURE_REVISION",
    message: /1000000000/,
    provoke: (c) => c.node(3).kv.attempt("get", { key: bytes("k"), minRevision: 1_000_000_000n }),
  },
  {
    what: "a compaction that names no revision",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /revision/,
    provoke: (c) => c.node(1).kv.attempt("compact", {}),
  },
  {
    what: "the deletion of the default namespace",
    code: "FAILED_PRECONDITION",
    reason: "PERMANENT_NAMESPACE",
    message: /default/,
    provoke: (c) => c.node(1).namespaces.attempt("delete", { name: "default" }),
  },
  {
    what: "the deletion of an unknown namespace",
    code: "NOT_FOUND",
    reason: "UNKNOWN_NAMESPACE",
    message: /nowhere/,
    provoke: (c) => c.gateway().namespaces.attempt("delete", { name: "nowhere" }),
  },
  {
    what: "a quota of an unknown namespace",
    code: "NOT_FOUND",
    reason: "UNKNOWN_NAMESPACE",
    message: /nowhere/,
    provoke: (c) => c.node(2).namespaces.attempt("setQuota", { name: "nowhere", keysMax: 1n }),
  },
  {
    what: "a lease in an unknown namespace",
    code: "NOT_FOUND",
    reason: "UNKNOWN_NAMESPACE",
    message: /nowhere/,
    provoke: (c) => c.node(1).leases.attempt("grant", { namespace: "nowhere", ttlMs: 60_000n }),
  },
  {
    what: "a negative quota",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /keys_max/,
    provoke: (c) => c.node(1).namespaces.attempt("create", { name: "b7-negative", keysMax: -1n }),
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
    isRead: true,
    code: "NOT_FOUND",
    reason: "UNKNOWN_MEMBER",
    message: /n9/,
    provoke: (c) => c.gateway().admin.attempt("status", {}, { metadata: { "quorate-member": "n9" } }),
  },
];
