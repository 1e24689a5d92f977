import { type LeaseRenewal, Refusal } from "@quorate/proto/log";
import { assert } from "#std";
import { done, type Result, refused } from "./answer";
import type { Batch } from "./batch";
import type { LeaseTable } from "./lease-table";
import { LEASES_MAX } from "./limits";
import type { Namespace } from "./namespace";
import type { ChangeOrigin } from "./state";

/*
 * What becomes of leases, and of their keys when they end.
 */

export function grantLease(leases: LeaseTable, namespace: Namespace, ttlMs: bigint): Result {
  const leaseId = leases.grant(namespace.id, Number(ttlMs));
  if (leaseId !== null) return done({ leaseId: BigInt(leaseId), ttlMs });
  const message = `there are ${leases.count} leases, the limit of a cluster is ${LEASES_MAX}`;
  return refused(Refusal.TOO_MANY_LEASES, message);
}

export function renewLeases(leases: LeaseTable, namespace: Namespace, leaseIds: readonly bigint[]): Result {
  const renewals: LeaseRenewal[] = leaseIds.map((leaseId) => {
    const ttlMs = leases.renew(Number(leaseId), namespace.id);
    return { leaseId, ttlMs: BigInt(ttlMs ?? 0) };
  });
  return done({ renewals });
}

export function revokeLease(
  leases: LeaseTable,
  namespace: Namespace,
  leaseId: bigint,
  batch: Batch,
  origin: ChangeOrigin,
): Result {
  if (!leases.has(Number(leaseId), namespace.id)) return unknownLease(leaseId);
  return done({ deleted: BigInt(endLease(leases, namespace, Number(leaseId), batch, origin)) });
}

export function unknownLease(leaseId: bigint): Result {
  return refused(Refusal.UNKNOWN_LEASE, `there is no lease with lease_id ${leaseId}`);
}

/** Deletes the keys of a lease with one revision, then ends it, and tells how many keys it had. */
export function endLease(
  leases: LeaseTable,
  namespace: Namespace,
  leaseId: number,
  batch: Batch,
  origin: ChangeOrigin,
): number {
  const keys = leases.keys(leaseId);
  batch.begin(namespace, origin);
  for (const { generation, key } of keys) {
    assert(generation === namespace.generation, "the keys of a lease are of the present generation");
    const newest = batch.newest(key);
    assert(newest?.leaseId === leaseId, "an attached key is there, and says so");
    batch.delete(newest);
  }
  assert(batch.end() === null, "a quota refuses no deletions");
  leases.end(leaseId);
  return keys.length;
}
