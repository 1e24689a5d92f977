import type { NamespaceState, StateMeta } from "./state";

/** The oldest revision that a namespace can be read at: what it gave up itself, and what all gave up. */
export function oldestReadable(
  namespace: Pick<NamespaceState, "oldestRevision">,
  meta: Pick<StateMeta, "compactedRevision">,
): number {
  return Math.max(namespace.oldestRevision, meta.compactedRevision);
}

/** The first revision whose events can still be told. */
export function firstEvent(
  namespace: Pick<NamespaceState, "firstEventRevision">,
  meta: Pick<StateMeta, "compactedRevision">,
): number {
  return Math.max(namespace.firstEventRevision, meta.compactedRevision + 1);
}
