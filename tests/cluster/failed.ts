import type { Reply } from "#support";

/** The reply of a call that must fail. */
export function failed<R extends Reply<unknown>>(reply: R): Extract<R, { ok: false }> {
  if (reply.ok) throw new Error("the call should have failed");
  return reply as Extract<R, { ok: false }>;
}
