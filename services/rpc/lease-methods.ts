import {
  ErrorReason,
  type Lease,
  LeaseServiceGrantRequest,
  LeaseServiceGrantResponse,
  LeaseServiceListRequest,
  LeaseServiceListResponse,
  LeaseServiceRevokeRequest,
  LeaseServiceRevokeResponse,
  LeaseServiceTimeToLiveRequest,
  LeaseServiceTimeToLiveResponse,
} from "@quorate/proto/kv";
import { CallFailure } from "#forward";
import { grantLeaseCommand, type LeaseStatus, revokeLeaseCommand } from "#kv";
import { responseHeader } from "./header";
import { type UnaryMethod, unaryMethod } from "./method";
import { ANSWER_BYTES_MAX, readPoint } from "./read-methods";
import { checkCount, checkLeaseTtlMs, checkNotNegative, tooLarge } from "./request-fields";
import { sourceOf, submit } from "./submit";

/** The tag and length of a key in an answer, at most. */
const KEY_OVERHEAD_BYTES = 4;

/** All of LeaseService but KeepAlive, which streams. */
export const leaseMethods = {
  grant: unaryMethod(LeaseServiceGrantRequest, LeaseServiceGrantResponse, async (node, request, call) => {
    const ttlMs = checkLeaseTtlMs(request.ttlMs);
    const command = grantLeaseCommand(sourceOf(node, request, call), ttlMs);
    const { done, header } = await submit(node, call, command);
    return { header, leaseId: done.leaseId, ttlMs: done.ttlMs };
  }),

  revoke: unaryMethod(LeaseServiceRevokeRequest, LeaseServiceRevokeResponse, async (node, request, call) => {
    const leaseId = checkNotNegative(request.leaseId, "lease_id");
    const command = revokeLeaseCommand(sourceOf(node, request, call), leaseId);
    const { done, header } = await submit(node, call, command);
    return { header, deleted: done.deleted };
  }),

  timeToLive: unaryMethod(
    LeaseServiceTimeToLiveRequest,
    LeaseServiceTimeToLiveResponse,
    async (node, request, call) => {
      const leaseId = checkCount(request.leaseId, "lease_id");
      const point = await readPoint(node, { ...request, revision: 0n }, call);
      const lease = node.replica.lease(leaseId);
      if (lease === null || lease.namespaceId !== point.namespaceId) {
        throw new CallFailure(
          ErrorReason.UNKNOWN_LEASE,
          `there is no lease with lease_id ${request.leaseId}`,
        );
      }
      const keys = request.withKeys ? node.replica.leaseKeys(leaseId) : [];
      const bytes = keys.reduce((sum, key) => sum + key.length + KEY_OVERHEAD_BYTES, 0);
      if (bytes > ANSWER_BYTES_MAX) {
        throw tooLarge(`the keys are more than the limit of ${ANSWER_BYTES_MAX} bytes for one answer`);
      }
      return {
        header: responseHeader(node, point.term, point.revision),
        lease: messageOf(lease),
        keys: [...keys],
      };
    },
  ),

  list: unaryMethod(LeaseServiceListRequest, LeaseServiceListResponse, async (node, request, call) => {
    const point = await readPoint(node, { ...request, revision: 0n }, call);
    const leases = node.replica.leasesOf(point.namespaceId).map(messageOf);
    return { header: responseHeader(node, point.term, point.revision), leases };
  }),
} as const satisfies Record<string, UnaryMethod>;

function messageOf({ leaseId, ttlMs, remainingMs, keyCount }: LeaseStatus): Lease {
  return {
    leaseId: BigInt(leaseId),
    ttlMs: BigInt(ttlMs),
    remainingMs: BigInt(remainingMs),
    keys: BigInt(keyCount),
  };
}
