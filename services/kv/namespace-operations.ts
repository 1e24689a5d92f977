import { type CreateNamespace, Refusal, type SetQuota } from "@quorate/proto/log";
import { assert } from "#std";
import { DONE, done, type Result, refused, refusedAsCompacted } from "./answer";
import type { Batch } from "./batch";
import type { LeaseTable } from "./lease-table";
import type { Namespace, Quota } from "./namespace";
import { oldestReadable } from "./namespace-history";
import type { NamespaceTable } from "./namespace-table";
import type { SessionTable } from "./session-table";
import { type ChangeOrigin, DEFAULT_NAMESPACE, type StateMeta } from "./state";

/*
 * What becomes of namespaces as a whole.
 */

/** Changes no record, so it makes no revision. */
export function createNamespace(namespaces: NamespaceTable, creation: CreateNamespace, batch: Batch): Result {
  const refusal = namespaces.refusalOf(creation.name);
  if (refusal !== null) return refusal;
  const namespace = namespaces.create(creation.name, quotaOf(creation), batch.revision);
  batch.create(namespace);
  return done({ namespaceId: BigInt(namespace.id) });
}

export function setQuota(namespaces: NamespaceTable, change: SetQuota): Result {
  const namespace = namespaces.get(change.name);
  if (namespace === null) return unknownNamespace(change.name);
  namespace.setQuota(quotaOf(change));
  namespaces.touch(namespace);
  return DONE;
}

/** Gives up the history of a namespace before `revision`. Changes no record, so it makes no revision. */
export function compact(
  namespaces: NamespaceTable,
  namespace: Namespace,
  revision: number,
  meta: StateMeta,
): Result {
  if (revision > meta.revision) {
    const message = `revision ${revision} has not been reached: the last one is ${meta.revision}`;
    return refused(Refusal.FUTURE_REVISION, message);
  }
  const oldestRevision = oldestReadable(namespace.snapshot(), meta);
  if (revision < oldestRevision) {
    const message = `revision ${revision} is given up already: the oldest one is ${oldestRevision}`;
    return refusedAsCompacted(message, oldestRevision);
  }
  if (revision > oldestRevision) {
    namespace.compact(revision);
    namespaces.touch(namespace);
  }
  return DONE;
}

/** Takes the sessions and leases with it; its keys go at once, however many, and with one revision. */
export function deleteNamespace(
  tables: {
    readonly namespaces: NamespaceTable;
    readonly sessions: SessionTable;
    readonly leases: LeaseTable;
  },
  name: string,
  batch: Batch,
  origin: ChangeOrigin,
): Result {
  if (name === DEFAULT_NAMESPACE) {
    return refused(Refusal.PERMANENT_NAMESPACE, `namespace "${name}" is always there`);
  }
  const namespace = tables.namespaces.get(name);
  if (namespace === null) return unknownNamespace(name);
  const { generation, keyCount } = namespace;
  batch.begin(namespace, origin);
  if (keyCount > 0) batch.truncate();
  assert(batch.end() === null, "a quota refuses no deletions");
  tables.leases.endNamespace(namespace.id);
  tables.sessions.endNamespace(namespace.id);
  tables.namespaces.delete(namespace, generation);
  return done({ deleted: BigInt(keyCount) });
}

export function unknownNamespace(name: string): Result {
  return refused(Refusal.UNKNOWN_NAMESPACE, `there is no namespace "${name}"`);
}

function quotaOf(bounds: { readonly keysMax: bigint; readonly bytesMax: bigint }): Quota {
  return { keysMax: boundOf(bounds.keysMax), bytesMax: boundOf(bounds.bytesMax) };
}

function boundOf(bound: bigint): number | null {
  return bound === 0n ? null : Number(bound);
}
