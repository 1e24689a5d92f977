import { describe, expect, test } from "@jest/globals";
import { ErrorReason, Outcome } from "@quorate/proto/kv";
import { CallFailure, mayRetry, settle } from "@quorate/services/forward";

const { NOT_APPLIED, UNKNOWN, UNSPECIFIED } = Outcome;

describe("what may be retried", () => {
  test.each([
    // isRead, hasRequestId, retryable, outcome, expected
    [true, false, true, UNSPECIFIED, true],
    [true, false, true, UNKNOWN, true],
    [true, false, false, UNSPECIFIED, false],
    [false, true, true, UNKNOWN, true],
    [false, true, true, NOT_APPLIED, true],
    [false, true, false, UNKNOWN, false],
    [false, true, false, NOT_APPLIED, false],
    [false, false, true, NOT_APPLIED, true],
    [false, false, true, UNKNOWN, false],
    [false, false, true, UNSPECIFIED, false],
    [false, false, false, NOT_APPLIED, false],
  ])(
    "read %s, request id %s, retryable %s, outcome %s: %s",
    (isRead, hasRequestId, retryable, outcome, expected) => {
      const failure = { reason: ErrorReason.UNSPECIFIED, retryable, outcome };
      expect(mayRetry({ isRead, hasRequestId, failure })).toBe(expected);
    },
  );

  test("a write that came out of order is not, but by its caller", () => {
    const failure = new CallFailure(
      ErrorReason.OUT_OF_ORDER,
      "sequence 3 follows 2, which has no answer yet",
    );
    expect(failure).toMatchObject({ retryable: true, outcome: NOT_APPLIED });
    expect(mayRetry({ isRead: false, hasRequestId: true, failure })).toBe(false);
  });
});

describe("what is said after several attempts", () => {
  test("an attempt that was turned away does not undo an earlier one of unknown outcome", () => {
    const failure = new CallFailure(ErrorReason.NO_LEADER, "no leader is known");
    expect(settle(failure, true)).toMatchObject({ reason: ErrorReason.NO_LEADER, outcome: UNKNOWN });
    expect(settle(failure, false)).toBe(failure);
  });

  test("an answer of the state machine speaks of all attempts", () => {
    const failure = new CallFailure(ErrorReason.CONDITION_FAILED, "mod_revision is 3, not 2");
    expect(settle(failure, true).outcome).toBe(NOT_APPLIED);
  });

  test("an attempt that came out of order says nothing of an earlier one", () => {
    const failure = new CallFailure(
      ErrorReason.OUT_OF_ORDER,
      "sequence 3 follows 2, which has no answer yet",
    );
    expect(settle(failure, true).outcome).toBe(UNKNOWN);
  });

  test("that a session ended says nothing of an attempt before its end", () => {
    expect(settle(new CallFailure(ErrorReason.SESSION_EXPIRED, "no such session"), true).outcome).toBe(
      UNKNOWN,
    );
  });
});
