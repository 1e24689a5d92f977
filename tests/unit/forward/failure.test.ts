import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { ErrorReason, Outcome } from "@quorate/proto/kv";
import { RpcStatus } from "@quorate/proto/rpc-status";
import { CallFailure, type FailureRow, failureTable } from "@quorate/services/forward";
import { Serving, serviceOf } from "./serving";

const PUT = "/quorate.kv.v1.KvService/Put";
const GET = "/quorate.kv.v1.KvService/Get";

const rows = Object.entries(failureTable).map(
  ([reason, row]) => [Number(reason) as ErrorReason, row] as [ErrorReason, FailureRow],
);

/** The contract's table: group of reasons, code. */
const contract: readonly (readonly [status, readonly (keyof typeof ErrorReason)[]])[] = [
  [status.INVALID_ARGUMENT, ["INVALID_ARGUMENT", "MALFORMED_REQUEST"]],
  [
    status.RESOURCE_EXHAUSTED,
    [
      "TOO_LARGE",
      "BACKLOG_FULL",
      "QUOTA_EXCEEDED",
      "NO_SPACE",
      "SESSION_WINDOW_FULL",
      "TOO_MANY_NAMESPACES",
      "TOO_MANY_SESSIONS",
      "TOO_MANY_LEASES",
      "TOO_MANY_WATCHES",
      "SLOW_WATCHER",
      "TOO_MANY_MEMBERS",
    ],
  ],
  [status.UNAVAILABLE, ["NOT_LEADER", "NO_LEADER", "SHUTTING_DOWN", "UNREACHABLE"]],
  [status.ABORTED, ["SUPERSEDED", "SCAN_CUT", "MEMBERSHIP_CHANGING", "OUT_OF_ORDER"]],
  [status.DEADLINE_EXCEEDED, ["DEADLINE_EXCEEDED"]],
  [status.UNKNOWN, ["LEADERSHIP_LOST", "STORE_LOST", "CONNECTION_LOST", "UNSPECIFIED"]],
  [
    status.FAILED_PRECONDITION,
    [
      "NOT_AN_INTEGER",
      "CONDITION_FAILED",
      "LEARNER_NOT_READY",
      "SESSION_EXPIRED",
      "ANSWER_DROPPED",
      "PERMANENT_NAMESPACE",
      "LAST_VOTER",
      "NO_MAJORITY",
      "QUORUM_AT_RISK",
    ],
  ],
  [status.OUT_OF_RANGE, ["INTEGER_OVERFLOW", "COMPACTED", "FUTURE_REVISION"]],
  [status.NOT_FOUND, ["UNKNOWN_NAMESPACE", "UNKNOWN_LEASE", "UNKNOWN_MEMBER", "UNKNOWN_CLIENT"]],
  [status.ALREADY_EXISTS, ["NAMESPACE_EXISTS", "MEMBER_EXISTS"]],
  [status.DATA_LOSS, ["DATA_LOSS"]],
  [status.INTERNAL, ["INTERNAL"]],
  [status.CANCELLED, ["CANCELLED"]],
  [status.UNIMPLEMENTED, ["UNIMPLEMENTED"]],
];

describe("the table of failures", () => {
  let serving: Serving | null = null;

  afterEach(async () => {
    await serving?.close();
    serving = null;
  });

  test("B7: each row of the error table reaches a caller as its code with its detail", async () => {
    let reason = ErrorReason.UNSPECIFIED;
    const leader = { memberId: "n1", address: "127.0.0.1:7401" };
    serving = await Serving.open(
      serviceOf(() =>
        Promise.reject(new CallFailure(reason, `because of ${reason}`, { leader, oldestRevision: 7 })),
      ),
    );
    for (const [row, { code, retryable, outcome }] of rows) {
      reason = row;
      const { error } = await serving.unary(PUT, new Uint8Array());
      expect(error?.code).toBe(code);
      expect(error?.details).toBe(`because of ${reason}`);
      const received = CallFailure.from(error);
      expect(received).toMatchObject({ reason, code, retryable, outcome, leader, oldestRevision: 7 });
    }
  });

  test("B7: the codes are those of the contract, and every reason has one", () => {
    const expected = contract.flatMap(([code, reasons]) =>
      reasons.map((name) => [ErrorReason[name], code] as const),
    );
    expect(new Map(rows.map(([reason, { code }]) => [reason, code]))).toEqual(new Map(expected));
  });

  test("a failed read speaks of no outcome", async () => {
    serving = await Serving.open(
      serviceOf(() => Promise.reject(new CallFailure(ErrorReason.NO_LEADER, "no leader is known"))),
    );
    const { error } = await serving.unary(GET, new Uint8Array());
    expect(CallFailure.from(error).outcome).toBe(Outcome.UNSPECIFIED);
  });

  test("what nobody expected is INTERNAL, is logged, and tells the caller nothing", async () => {
    serving = await Serving.open(serviceOf(() => Promise.reject(new TypeError("secret of the house"))));
    const { error } = await serving.unary(PUT, new Uint8Array());
    expect(error?.code).toBe(status.INTERNAL);
    expect(error?.details).not.toContain("secret");
    expect(serving.log.lines).toMatchObject([{ level: "error", fields: { method: PUT } }]);
  });

  test("a failure that was received is passed on with the details as they came", () => {
    const sent = new CallFailure(ErrorReason.NOT_LEADER, "n2 is not the leader").toStatus();
    const details = sent.statusDetails;
    // A field that this version does not know, at the end of the status.
    const grown = Buffer.concat([details, Buffer.from([0xf8, 0x07, 0x01])]);
    const received = CallFailure.fromStatus({ ...sent, statusDetails: grown });
    expect(received.toStatus().statusDetails).toEqual(grown);
  });

  test("what quotes a long text is cut, in the details too", () => {
    const { details, statusDetails } = new CallFailure(
      ErrorReason.INVALID_ARGUMENT,
      "x".repeat(9000),
    ).toStatus();
    expect([details.length, RpcStatus.decode(statusDetails).message.length]).toEqual([4096, 4096]);
  });

  test("a call that nobody has looked at was not applied", () => {
    const failure = CallFailure.fromStatus({
      code: status.UNAVAILABLE,
      details: "it takes leave",
      isUntouched: true,
    });
    expect(failure).toMatchObject({ reason: ErrorReason.UNREACHABLE, outcome: Outcome.NOT_APPLIED });
  });

  test.each([
    [status.UNAVAILABLE, ErrorReason.CONNECTION_LOST],
    [status.DEADLINE_EXCEEDED, ErrorReason.DEADLINE_EXCEEDED],
    [status.CANCELLED, ErrorReason.CANCELLED],
    [status.INTERNAL, ErrorReason.INTERNAL],
  ])("a bare status %s leaves the outcome open", (code, reason) => {
    const failure = CallFailure.fromStatus({ code, details: "from gRPC itself" });
    expect(failure).toMatchObject({ reason, outcome: Outcome.UNKNOWN, message: "from gRPC itself" });
  });
});
