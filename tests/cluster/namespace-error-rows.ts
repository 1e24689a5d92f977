import { bytes } from "#support";
import type { ErrorRow } from "./error-row";
import { ownNamespace } from "./own-namespaces";

/** What a call that concerns a namespace or its quota can be refused for. */
export const namespaceErrorRows: readonly ErrorRow[] = [
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
    what: "a negative quota",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /keys_max/,
    provoke: (c) => c.node(1).namespaces.attempt("create", { name: "b7-negative", keysMax: -1n }),
  },
];
