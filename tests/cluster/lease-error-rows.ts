import { bytes } from "#support";
import type { ErrorRow } from "./error-row";
import { ownNamespace } from "./own-namespaces";

/** What a call that concerns a lease can be refused for. */
export const leaseErrorRows: readonly ErrorRow[] = [
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
    what: "a lease that lives shorter than the least",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    message: /ttl_ms/,
    provoke: (c) => c.node(1).leases.attempt("grant", { ttlMs: 1n }),
  },
  {
    what: "a lease in an unknown namespace",
    code: "NOT_FOUND",
    reason: "UNKNOWN_NAMESPACE",
    message: /nowhere/,
    provoke: (c) => c.node(1).leases.attempt("grant", { namespace: "nowhere", ttlMs: 60_000n }),
  },
];
