import type { EndStatus } from "@quorate/proto/calling";
import { Status } from "nice-grpc-common";
import { failureOfStatus, QuorateError } from "#client/errors";

/** What a proxy or a server says before it takes the stream. */
const REFUSED_CODES: ReadonlySet<number> = new Set([
  Status.UNAUTHENTICATED,
  Status.PERMISSION_DENIED,
  Status.UNIMPLEMENTED,
]);

/**
 * The failure of a call that was written to a stream which ended without its answer. A stream that ends with OK has answered
 * all that its server took. After any other end the call may have been carried out, whatever the status says of it: it is a
 * word about the stream, and may be that of a proxy.
 *
 * @param hasAnswered whether the stream had carried an answer, so was not refused as such
 */
export function lostCall(ended: EndStatus, hasAnswered: boolean): QuorateError {
  if (ended.code === Status.OK) return notTaken();
  if (ended.isUntouched === true) return unsentCall(ended);
  const cause = failureOfEnd(ended);
  if (REFUSED_CODES.has(ended.code) && !hasAnswered) return cause;
  return new QuorateError(`the connection was lost before the answer: ${cause.message}`, {
    code: "UNAVAILABLE",
    retryable: true,
    cause,
  });
}

/** The failure of a call that waited for its place on a stream which ended. */
export function unsentCall(ended: EndStatus): QuorateError {
  if (ended.code === Status.OK) return notTaken();
  const cause = failureOfEnd(ended);
  if (cause.retryable || REFUSED_CODES.has(ended.code)) return cause.withOutcome("not_applied");
  return new QuorateError(`the connection was lost before the call was sent: ${cause.message}`, {
    code: "UNAVAILABLE",
    retryable: true,
    outcome: "not_applied",
    cause,
  });
}

/** What a server says too that shuts down, where it can. */
function notTaken(): QuorateError {
  return new QuorateError("the server shuts down and has not taken the call", {
    code: "UNAVAILABLE",
    reason: "SHUTTING_DOWN",
    retryable: true,
    outcome: "not_applied",
  });
}

/** What a call failed with by itself, or the stream that it was on. */
export function failureOfEnd({ code, details, statusDetails, isUntouched }: EndStatus): QuorateError {
  const failure = failureOfStatus({ code, message: details, statusDetails });
  return isUntouched === true ? failure.withOutcome("not_applied") : failure;
}
