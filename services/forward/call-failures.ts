import { ErrorReason, Outcome } from "@quorate/proto/kv";
import type { ByteCall } from "./call";
import { CallFailure } from "./failure";

/** The deadline of a call came before its answer. */
export function deadlinePassed(call: ByteCall): CallFailure {
  return call.isSubmitted
    ? new CallFailure(ErrorReason.DEADLINE_EXCEEDED, "the deadline passed while the outcome was open")
    : new CallFailure(ErrorReason.DEADLINE_EXCEEDED, "the deadline passed before the call was taken up", {
        outcome: Outcome.NOT_APPLIED,
      });
}

/** Nobody waits for the answer any more. */
export function callerLeft(): CallFailure {
  return new CallFailure(ErrorReason.CANCELLED, "the caller left");
}

/** The server takes nothing more. */
export function shuttingDown(): CallFailure {
  return new CallFailure(ErrorReason.SHUTTING_DOWN, "the server is shutting down");
}

/** What the caller hears of a failure: of a read there is no outcome to speak of. */
export function toldToCaller({ method }: ByteCall, failure: CallFailure): CallFailure {
  return method.isRead ? failure.withOutcome(Outcome.UNSPECIFIED) : failure;
}
