import { bytes } from "#support";
import type { ErrorRow } from "./error-row";

/** What a call that a certain member is to serve can be refused for. */
export const memberErrorRows: readonly ErrorRow[] = [
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
