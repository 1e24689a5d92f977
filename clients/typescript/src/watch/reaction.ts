import { ErrorReason, type WatchEnded } from "@quorate/proto/kv";
import { QuorateError, type Reason, type StatusName } from "#client/errors";

/** What a watch does after a failure: it goes on at the same endpoint, at another one, or it fails. */
export type Reaction = "again" | "elsewhere" | "fail";

/** The status code that a reason belongs to, and what a watch makes of it. The end of a watch comes without a status. */
const REASONS = {
  UNSPECIFIED: { code: "UNKNOWN", reaction: "elsewhere" },
  INVALID_ARGUMENT: { code: "INVALID_ARGUMENT", reaction: "fail" },
  MALFORMED_REQUEST: { code: "INVALID_ARGUMENT", reaction: "fail" },
  TOO_LARGE: { code: "RESOURCE_EXHAUSTED", reaction: "fail" },
  BACKLOG_FULL: { code: "RESOURCE_EXHAUSTED", reaction: "again" },
  QUOTA_EXCEEDED: { code: "RESOURCE_EXHAUSTED", reaction: "fail" },
  NO_SPACE: { code: "RESOURCE_EXHAUSTED", reaction: "elsewhere" },
  SESSION_WINDOW_FULL: { code: "RESOURCE_EXHAUSTED", reaction: "again" },
  NOT_LEADER: { code: "UNAVAILABLE", reaction: "elsewhere" },
  NO_LEADER: { code: "UNAVAILABLE", reaction: "elsewhere" },
  SHUTTING_DOWN: { code: "UNAVAILABLE", reaction: "elsewhere" },
  SUPERSEDED: { code: "ABORTED", reaction: "again" },
  SCAN_CUT: { code: "ABORTED", reaction: "again" },
  DEADLINE_EXCEEDED: { code: "DEADLINE_EXCEEDED", reaction: "elsewhere" },
  LEADERSHIP_LOST: { code: "UNKNOWN", reaction: "elsewhere" },
  STORE_LOST: { code: "UNKNOWN", reaction: "elsewhere" },
  NOT_AN_INTEGER: { code: "FAILED_PRECONDITION", reaction: "fail" },
  CONDITION_FAILED: { code: "FAILED_PRECONDITION", reaction: "fail" },
  LEARNER_NOT_READY: { code: "FAILED_PRECONDITION", reaction: "elsewhere" },
  SESSION_EXPIRED: { code: "FAILED_PRECONDITION", reaction: "fail" },
  ANSWER_DROPPED: { code: "FAILED_PRECONDITION", reaction: "fail" },
  INTEGER_OVERFLOW: { code: "OUT_OF_RANGE", reaction: "fail" },
  COMPACTED: { code: "OUT_OF_RANGE", reaction: "fail" },
  FUTURE_REVISION: { code: "OUT_OF_RANGE", reaction: "fail" },
  UNKNOWN_NAMESPACE: { code: "NOT_FOUND", reaction: "fail" },
  UNKNOWN_LEASE: { code: "NOT_FOUND", reaction: "fail" },
  UNKNOWN_MEMBER: { code: "NOT_FOUND", reaction: "fail" },
  // Found on one node's disk: the others have it whole.
  DATA_LOSS: { code: "DATA_LOSS", reaction: "elsewhere" },
  INTERNAL: { code: "INTERNAL", reaction: "elsewhere" },
  CANCELLED: { code: "CANCELLED", reaction: "elsewhere" },
  UNIMPLEMENTED: { code: "UNIMPLEMENTED", reaction: "fail" },
  UNREACHABLE: { code: "UNAVAILABLE", reaction: "elsewhere" },
  CONNECTION_LOST: { code: "UNKNOWN", reaction: "elsewhere" },
  NAMESPACE_EXISTS: { code: "ALREADY_EXISTS", reaction: "fail" },
  TOO_MANY_NAMESPACES: { code: "RESOURCE_EXHAUSTED", reaction: "fail" },
  TOO_MANY_SESSIONS: { code: "RESOURCE_EXHAUSTED", reaction: "fail" },
  TOO_MANY_LEASES: { code: "RESOURCE_EXHAUSTED", reaction: "fail" },
  SLOW_WATCHER: { code: "RESOURCE_EXHAUSTED", reaction: "again" },
  TOO_MANY_WATCHES: { code: "RESOURCE_EXHAUSTED", reaction: "elsewhere" },
  PERMANENT_NAMESPACE: { code: "FAILED_PRECONDITION", reaction: "fail" },
  MEMBER_EXISTS: { code: "ALREADY_EXISTS", reaction: "fail" },
  LAST_VOTER: { code: "FAILED_PRECONDITION", reaction: "fail" },
  MEMBERSHIP_CHANGING: { code: "ABORTED", reaction: "again" },
  TOO_MANY_MEMBERS: { code: "RESOURCE_EXHAUSTED", reaction: "fail" },
  UNKNOWN_CLIENT: { code: "NOT_FOUND", reaction: "fail" },
  NO_MAJORITY: { code: "FAILED_PRECONDITION", reaction: "fail" },
  QUORUM_AT_RISK: { code: "FAILED_PRECONDITION", reaction: "fail" },
  OUT_OF_ORDER: { code: "ABORTED", reaction: "fail" },
} as const satisfies Record<Reason, { readonly code: StatusName; readonly reaction: Reaction }>;

/** Codes that no endpoint and no repetition changes, where no reason is given. */
const LASTING_CODES: ReadonlySet<StatusName> = new Set<StatusName>([
  "INVALID_ARGUMENT",
  "UNIMPLEMENTED",
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
]);

export function reactionTo(error: QuorateError): Reaction {
  if (error.reason !== "UNSPECIFIED") return REASONS[error.reason].reaction;
  return LASTING_CODES.has(error.code) ? "fail" : "elsewhere";
}

/** The failure that the end of a watch tells of. */
export function failureOf({ error, message }: WatchEnded): QuorateError {
  const reason =
    (ErrorReason[error?.reason ?? ErrorReason.UNSPECIFIED] as Reason | undefined) ?? "UNSPECIFIED";
  const oldestRevision = error?.oldestRevision ?? 0n;
  return new QuorateError(message, {
    code: REASONS[reason].code,
    reason,
    retryable: error?.retryable ?? false,
    oldestRevision: oldestRevision === 0n ? null : Number(oldestRevision),
  });
}
