import { bytes } from "#support";
import { BATCH_RECORDS_MAX, type ErrorRow } from "./error-row";

const LONG = new Uint8Array(4097).fill(1);

/** What a call for keys and values can be refused for. */
export const keyErrorRows: readonly ErrorRow[] = [
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
    what: "a negative duration",
    isRead: true,
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /max_staleness_ms/,
    provoke: (c) => c.node(1).kv.attempt("get", { key: bytes("k"), maxStalenessMs: -1n }),
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
    what: "an overflow",
    code: "OUT_OF_RANGE",
    reason: "INTEGER_OVERFLOW",
    async provoke(c) {
      const max = 2n ** 63n - 1n;
      await c.node(1).kv.call("put", { key: bytes("b7/max"), value: bytes(String(max)) });
      return c.node(1).kv.attempt("increment", { key: bytes("b7/max"), delta: 1n });
    },
  },
];
