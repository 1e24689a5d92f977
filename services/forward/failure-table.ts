import { status } from "@grpc/grpc-js";
import { ErrorReason, Outcome } from "@quorate/proto/kv";

/** What follows from the reason of a failure. */
export interface FailureRow {
  readonly code: status;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** What the reason says of a write unless the failure itself knows better. */
  readonly outcome: Outcome;
  /**
   * Whether the failure speaks of the call, so of every attempt at it, or of this attempt alone: after an attempt whose
   * outcome is unknown, a later one that was merely turned away settles nothing.
   */
  readonly scope: "call" | "attempt";
}

const { NOT_APPLIED, UNKNOWN } = Outcome;

/** The one table from reasons to gRPC codes (errors.proto says what each reason means). */
export const failureTable = {
  [ErrorReason.UNSPECIFIED]: { code: status.UNKNOWN, retryable: false, outcome: UNKNOWN, scope: "attempt" },
  [ErrorReason.INVALID_ARGUMENT]: {
    code: status.INVALID_ARGUMENT,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.MALFORMED_REQUEST]: {
    code: status.INVALID_ARGUMENT,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.TOO_LARGE]: {
    code: status.RESOURCE_EXHAUSTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.BACKLOG_FULL]: {
    code: status.RESOURCE_EXHAUSTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.QUOTA_EXCEEDED]: {
    code: status.RESOURCE_EXHAUSTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  // It passes when somebody makes space: to ask again at once is of no use, and to be told is.
  [ErrorReason.NO_SPACE]: {
    code: status.RESOURCE_EXHAUSTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.SESSION_WINDOW_FULL]: {
    code: status.RESOURCE_EXHAUSTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.NOT_LEADER]: {
    code: status.UNAVAILABLE,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.NO_LEADER]: {
    code: status.UNAVAILABLE,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.SHUTTING_DOWN]: {
    code: status.UNAVAILABLE,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.SUPERSEDED]: {
    code: status.ABORTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.SCAN_CUT]: { code: status.ABORTED, retryable: true, outcome: NOT_APPLIED, scope: "attempt" },
  [ErrorReason.DEADLINE_EXCEEDED]: {
    code: status.DEADLINE_EXCEEDED,
    retryable: true,
    outcome: UNKNOWN,
    scope: "attempt",
  },
  [ErrorReason.LEADERSHIP_LOST]: {
    code: status.UNKNOWN,
    retryable: true,
    outcome: UNKNOWN,
    scope: "attempt",
  },
  [ErrorReason.STORE_LOST]: { code: status.UNKNOWN, retryable: true, outcome: UNKNOWN, scope: "attempt" },
  [ErrorReason.NOT_AN_INTEGER]: {
    code: status.FAILED_PRECONDITION,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.CONDITION_FAILED]: {
    code: status.FAILED_PRECONDITION,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.LEARNER_NOT_READY]: {
    code: status.FAILED_PRECONDITION,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.SESSION_EXPIRED]: {
    code: status.FAILED_PRECONDITION,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  // Answered before, so the write was decided, but nobody can say any more how.
  [ErrorReason.ANSWER_DROPPED]: {
    code: status.FAILED_PRECONDITION,
    retryable: false,
    outcome: UNKNOWN,
    scope: "attempt",
  },
  [ErrorReason.INTEGER_OVERFLOW]: {
    code: status.OUT_OF_RANGE,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.COMPACTED]: {
    code: status.OUT_OF_RANGE,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.FUTURE_REVISION]: {
    code: status.OUT_OF_RANGE,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.UNKNOWN_NAMESPACE]: {
    code: status.NOT_FOUND,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.UNKNOWN_LEASE]: {
    code: status.NOT_FOUND,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.UNKNOWN_MEMBER]: {
    code: status.NOT_FOUND,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.DATA_LOSS]: { code: status.DATA_LOSS, retryable: false, outcome: UNKNOWN, scope: "attempt" },
  [ErrorReason.INTERNAL]: { code: status.INTERNAL, retryable: false, outcome: UNKNOWN, scope: "attempt" },
  [ErrorReason.CANCELLED]: { code: status.CANCELLED, retryable: false, outcome: UNKNOWN, scope: "attempt" },
  [ErrorReason.UNIMPLEMENTED]: {
    code: status.UNIMPLEMENTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.UNREACHABLE]: {
    code: status.UNAVAILABLE,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.CONNECTION_LOST]: {
    code: status.UNKNOWN,
    retryable: true,
    outcome: UNKNOWN,
    scope: "attempt",
  },
  [ErrorReason.NAMESPACE_EXISTS]: {
    code: status.ALREADY_EXISTS,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.TOO_MANY_NAMESPACES]: {
    code: status.RESOURCE_EXHAUSTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.TOO_MANY_SESSIONS]: {
    code: status.RESOURCE_EXHAUSTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.TOO_MANY_LEASES]: {
    code: status.RESOURCE_EXHAUSTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.SLOW_WATCHER]: {
    code: status.RESOURCE_EXHAUSTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.TOO_MANY_WATCHES]: {
    code: status.RESOURCE_EXHAUSTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.PERMANENT_NAMESPACE]: {
    code: status.FAILED_PRECONDITION,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  // Changes of the membership carry no request id: that there is such a member may be the work of an earlier attempt.
  [ErrorReason.MEMBER_EXISTS]: {
    code: status.ALREADY_EXISTS,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.LAST_VOTER]: {
    code: status.FAILED_PRECONDITION,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.MEMBERSHIP_CHANGING]: {
    code: status.ABORTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.TOO_MANY_MEMBERS]: {
    code: status.RESOURCE_EXHAUSTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.UNKNOWN_CLIENT]: {
    code: status.NOT_FOUND,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.NO_MAJORITY]: {
    code: status.FAILED_PRECONDITION,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  // Who was started just now, or has a leader that was elected just now, is heard of in a moment.
  [ErrorReason.QUORUM_AT_RISK]: {
    code: status.FAILED_PRECONDITION,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  // Retryable by the caller alone: see mayRetry.
  [ErrorReason.OUT_OF_ORDER]: {
    code: status.ABORTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
} as const satisfies Record<ErrorReason, FailureRow>;
