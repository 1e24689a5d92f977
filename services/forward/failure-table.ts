import { ErrorReason, Outcome } from "@quorate/proto/kv";
import { Status } from "nice-grpc-common";

/** What follows from the reason of a failure. */
export interface FailureRow {
  readonly code: Status;
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
  [ErrorReason.UNSPECIFIED]: { code: Status.UNKNOWN, retryable: false, outcome: UNKNOWN, scope: "attempt" },
  [ErrorReason.INVALID_ARGUMENT]: {
    code: Status.INVALID_ARGUMENT,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.MALFORMED_REQUEST]: {
    code: Status.INVALID_ARGUMENT,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.TOO_LARGE]: {
    code: Status.RESOURCE_EXHAUSTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.BACKLOG_FULL]: {
    code: Status.RESOURCE_EXHAUSTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.QUOTA_EXCEEDED]: {
    code: Status.RESOURCE_EXHAUSTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  // It passes when somebody makes space: to ask again at once is of no use, and to be told is.
  [ErrorReason.NO_SPACE]: {
    code: Status.RESOURCE_EXHAUSTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.SESSION_WINDOW_FULL]: {
    code: Status.RESOURCE_EXHAUSTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.NOT_LEADER]: {
    code: Status.UNAVAILABLE,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.NO_LEADER]: {
    code: Status.UNAVAILABLE,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.SHUTTING_DOWN]: {
    code: Status.UNAVAILABLE,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.SUPERSEDED]: {
    code: Status.ABORTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.SCAN_CUT]: { code: Status.ABORTED, retryable: true, outcome: NOT_APPLIED, scope: "attempt" },
  [ErrorReason.DEADLINE_EXCEEDED]: {
    code: Status.DEADLINE_EXCEEDED,
    retryable: true,
    outcome: UNKNOWN,
    scope: "attempt",
  },
  [ErrorReason.LEADERSHIP_LOST]: {
    code: Status.UNKNOWN,
    retryable: true,
    outcome: UNKNOWN,
    scope: "attempt",
  },
  [ErrorReason.STORE_LOST]: { code: Status.UNKNOWN, retryable: true, outcome: UNKNOWN, scope: "attempt" },
  [ErrorReason.NOT_AN_INTEGER]: {
    code: Status.FAILED_PRECONDITION,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.CONDITION_FAILED]: {
    code: Status.FAILED_PRECONDITION,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.LEARNER_NOT_READY]: {
    code: Status.FAILED_PRECONDITION,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.SESSION_EXPIRED]: {
    code: Status.FAILED_PRECONDITION,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  // Answered before, so the write was decided, but nobody can say any more how.
  [ErrorReason.ANSWER_DROPPED]: {
    code: Status.FAILED_PRECONDITION,
    retryable: false,
    outcome: UNKNOWN,
    scope: "attempt",
  },
  [ErrorReason.INTEGER_OVERFLOW]: {
    code: Status.OUT_OF_RANGE,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.COMPACTED]: {
    code: Status.OUT_OF_RANGE,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.FUTURE_REVISION]: {
    code: Status.OUT_OF_RANGE,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.UNKNOWN_NAMESPACE]: {
    code: Status.NOT_FOUND,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.UNKNOWN_LEASE]: {
    code: Status.NOT_FOUND,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.UNKNOWN_MEMBER]: {
    code: Status.NOT_FOUND,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.DATA_LOSS]: { code: Status.DATA_LOSS, retryable: false, outcome: UNKNOWN, scope: "attempt" },
  [ErrorReason.INTERNAL]: { code: Status.INTERNAL, retryable: false, outcome: UNKNOWN, scope: "attempt" },
  [ErrorReason.CANCELLED]: { code: Status.CANCELLED, retryable: false, outcome: UNKNOWN, scope: "attempt" },
  [ErrorReason.UNIMPLEMENTED]: {
    code: Status.UNIMPLEMENTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.UNREACHABLE]: {
    code: Status.UNAVAILABLE,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.CONNECTION_LOST]: {
    code: Status.UNKNOWN,
    retryable: true,
    outcome: UNKNOWN,
    scope: "attempt",
  },
  [ErrorReason.NAMESPACE_EXISTS]: {
    code: Status.ALREADY_EXISTS,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.TOO_MANY_NAMESPACES]: {
    code: Status.RESOURCE_EXHAUSTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.TOO_MANY_SESSIONS]: {
    code: Status.RESOURCE_EXHAUSTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.TOO_MANY_LEASES]: {
    code: Status.RESOURCE_EXHAUSTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  [ErrorReason.SLOW_WATCHER]: {
    code: Status.RESOURCE_EXHAUSTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.TOO_MANY_WATCHES]: {
    code: Status.RESOURCE_EXHAUSTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.PERMANENT_NAMESPACE]: {
    code: Status.FAILED_PRECONDITION,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "call",
  },
  // Changes of the membership carry no request id: that there is such a member may be the work of an earlier attempt.
  [ErrorReason.MEMBER_EXISTS]: {
    code: Status.ALREADY_EXISTS,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.LAST_VOTER]: {
    code: Status.FAILED_PRECONDITION,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.MEMBERSHIP_CHANGING]: {
    code: Status.ABORTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.TOO_MANY_MEMBERS]: {
    code: Status.RESOURCE_EXHAUSTED,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.UNKNOWN_CLIENT]: {
    code: Status.NOT_FOUND,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  [ErrorReason.NO_MAJORITY]: {
    code: Status.FAILED_PRECONDITION,
    retryable: false,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  // Who was started just now, or has a leader that was elected just now, is heard of in a moment.
  [ErrorReason.QUORUM_AT_RISK]: {
    code: Status.FAILED_PRECONDITION,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
  // Retryable by the caller alone: see mayRetry.
  [ErrorReason.OUT_OF_ORDER]: {
    code: Status.ABORTED,
    retryable: true,
    outcome: NOT_APPLIED,
    scope: "attempt",
  },
} as const satisfies Record<ErrorReason, FailureRow>;
