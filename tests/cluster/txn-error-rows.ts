import { bytes } from "#support";
import { doing, operation } from "./bare-txn";
import { BATCH_RECORDS_MAX, type ErrorRow } from "./error-row";
import { ownNamespace } from "./own-namespaces";

/** What a Txn can be refused for. */
export const txnErrorRows: readonly ErrorRow[] = [
  {
    what: "an unknown lease in a Txn",
    code: "NOT_FOUND",
    reason: "UNKNOWN_LEASE",
    message: /lease_id 7/,
    provoke: (c) =>
      c.node(1).kv.attempt("txn", doing(operation("put", { key: bytes("b7/txn"), leaseId: 7n }))),
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
    what: "a Txn that ends above the quota of its namespace",
    code: "RESOURCE_EXHAUSTED",
    reason: "QUOTA_EXCEEDED",
    async provoke(c) {
      const namespace = await ownNamespace(c, "b7-txn", { keysMax: 1n });
      const [a, b] = ["a", "b"].map((key) => operation("put", { key: bytes(key) })) as [never, never];
      return c.node(3).kv.attempt("txn", { namespace, ...doing(a, b) });
    },
  },
];
