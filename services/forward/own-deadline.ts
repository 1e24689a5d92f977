/**
 * We answer this long before the caller's deadline, so that the answer, which says what is known of the outcome, still
 * arrives: at the deadline itself gRPC ends the call on both sides without a word.
 */
const DEADLINE_MARGIN_MS = 5;
const DEADLINE_MARGIN_SHARE = 0.1;

/** Until when a call is answered here that its caller waits for until then, as Date.now() counts. */
export function ownDeadlineMs(theirsMs: number, nowMs: number): number {
  return theirsMs - Math.min(DEADLINE_MARGIN_MS, (theirsMs - nowMs) * DEADLINE_MARGIN_SHARE);
}
