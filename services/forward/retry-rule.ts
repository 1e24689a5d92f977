import { ErrorReason, Outcome } from "@quorate/proto/kv";
import type { CallFailure } from "./failure";

/** What the rule looks at. */
export interface RetryQuestion {
  /** Whether the call changes nothing. */
  readonly isRead: boolean;
  readonly hasRequestId: boolean;
  readonly failure: Pick<CallFailure, "reason" | "retryable" | "outcome">;
}

/**
 * Whether a call may be sent again after a failure: a read, a write with a request id, and a write of which the failure
 * says that it was not applied. Nothing else, for a write that may have been applied would be applied twice. A write
 * that came out of order is its caller's to repeat, who alone knows which write it follows by now.
 */
export function mayRetry({ isRead, hasRequestId, failure }: RetryQuestion): boolean {
  if (!failure.retryable || failure.reason === ErrorReason.OUT_OF_ORDER) return false;
  return isRead || hasRequestId || failure.outcome === Outcome.NOT_APPLIED;
}

/**
 * What a caller is told after several attempts: an attempt that was merely turned away does not undo that an earlier
 * one may have been applied.
 */
export function settle(failure: CallFailure, anEarlierOutcomeIsUnknown: boolean): CallFailure {
  if (!anEarlierOutcomeIsUnknown || failure.outcome === Outcome.UNKNOWN || failure.scope === "call")
    return failure;
  return failure.withOutcome(Outcome.UNKNOWN);
}
