import { bytes } from "#support";
import type { ErrorRow } from "./error-row";
import { compactedNamespace } from "./own-namespaces";

/** What a call that names a revision can be refused for. */
export const historyErrorRows: readonly ErrorRow[] = [
  {
    what: "a negative revision",
    isRead: true,
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /min_revision/,
    provoke: (c) => c.node(1).kv.attempt("get", { key: bytes("k"), minRevision: -1n }),
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
];
