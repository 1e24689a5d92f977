import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "@jest/globals";
import { TransferLeadershipRequest } from "@quorate/proto/cluster";
import {
  type Consistency,
  DeleteRangeRequest,
  ErrorReason,
  ExistsRequest,
  OpenSessionRequest,
  Outcome,
} from "@quorate/proto/kv";
import { Refusal } from "@quorate/proto/log";
import { CallFailure } from "@quorate/services/forward";
import {
  ReadExpired,
  type ReadOutcome,
  StoreFailure,
  type SubmitOutcome,
  type TransferResult,
} from "@quorate/services/replica";
import { FakeNode } from "./fake-node";

import { get, KV, none, put, range, reading, serve } from "./node-rig";

describe("the error table, produced by the handlers", () => {
  const refusal = (reason: Refusal): SubmitOutcome => ({
    kind: "applied",
    answer: {
      revision: 8n,
      result: { $case: "refused", value: { refusal: reason, message: "refused", oldestRevision: 0n } },
    },
    entry: { term: 2, index: 10 },
  });
  const notApplied = (reason: Extract<SubmitOutcome, { kind: "not_applied" }>["reason"]): SubmitOutcome => ({
    kind: "not_applied",
    reason,
    leaderId: null,
  });
  const unknown = (reason: Extract<SubmitOutcome, { kind: "unknown" }>["reason"]): SubmitOutcome => ({
    kind: "unknown",
    reason,
  });

  test.each<[SubmitOutcome, status, keyof typeof ErrorReason, keyof typeof Outcome]>([
    [notApplied("transferring"), status.UNAVAILABLE, "NO_LEADER", "NOT_APPLIED"],
    [notApplied("backlog_full"), status.RESOURCE_EXHAUSTED, "BACKLOG_FULL", "NOT_APPLIED"],
    [notApplied("no_space"), status.RESOURCE_EXHAUSTED, "NO_SPACE", "NOT_APPLIED"],
    [notApplied("superseded"), status.ABORTED, "SUPERSEDED", "NOT_APPLIED"],
    [notApplied("stopping"), status.UNAVAILABLE, "SHUTTING_DOWN", "NOT_APPLIED"],
    [unknown("leadership_lost"), status.UNKNOWN, "LEADERSHIP_LOST", "UNKNOWN"],
    [unknown("store_lost"), status.UNKNOWN, "STORE_LOST", "UNKNOWN"],
    [unknown("stopping"), status.UNAVAILABLE, "SHUTTING_DOWN", "UNKNOWN"],
    [refusal(Refusal.UNKNOWN_NAMESPACE), status.NOT_FOUND, "UNKNOWN_NAMESPACE", "NOT_APPLIED"],
    [refusal(Refusal.UNKNOWN_LEASE), status.NOT_FOUND, "UNKNOWN_LEASE", "NOT_APPLIED"],
    [refusal(Refusal.SESSION_EXPIRED), status.FAILED_PRECONDITION, "SESSION_EXPIRED", "NOT_APPLIED"],
    [refusal(Refusal.SESSION_WINDOW_FULL), status.RESOURCE_EXHAUSTED, "SESSION_WINDOW_FULL", "NOT_APPLIED"],
    [refusal(Refusal.ANSWER_DROPPED), status.FAILED_PRECONDITION, "ANSWER_DROPPED", "UNKNOWN"],
    [refusal(Refusal.CONDITION_FAILED), status.FAILED_PRECONDITION, "CONDITION_FAILED", "NOT_APPLIED"],
    [refusal(Refusal.NOT_AN_INTEGER), status.FAILED_PRECONDITION, "NOT_AN_INTEGER", "NOT_APPLIED"],
    [refusal(Refusal.INTEGER_OVERFLOW), status.OUT_OF_RANGE, "INTEGER_OVERFLOW", "NOT_APPLIED"],
    [refusal(Refusal.TOO_LARGE), status.RESOURCE_EXHAUSTED, "TOO_LARGE", "NOT_APPLIED"],
    [refusal(Refusal.NAMESPACE_EXISTS), status.ALREADY_EXISTS, "NAMESPACE_EXISTS", "NOT_APPLIED"],
    [refusal(Refusal.TOO_MANY_NAMESPACES), status.RESOURCE_EXHAUSTED, "TOO_MANY_NAMESPACES", "NOT_APPLIED"],
    [refusal(Refusal.TOO_MANY_SESSIONS), status.RESOURCE_EXHAUSTED, "TOO_MANY_SESSIONS", "NOT_APPLIED"],
    [refusal(Refusal.TOO_MANY_LEASES), status.RESOURCE_EXHAUSTED, "TOO_MANY_LEASES", "NOT_APPLIED"],
    [refusal(Refusal.QUOTA_EXCEEDED), status.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", "NOT_APPLIED"],
    [refusal(Refusal.COMPACTED), status.OUT_OF_RANGE, "COMPACTED", "NOT_APPLIED"],
    [refusal(Refusal.FUTURE_REVISION), status.OUT_OF_RANGE, "FUTURE_REVISION", "NOT_APPLIED"],
    [refusal(Refusal.PERMANENT_NAMESPACE), status.FAILED_PRECONDITION, "PERMANENT_NAMESPACE", "NOT_APPLIED"],
    [refusal(Refusal.UNKNOWN_MEMBER), status.NOT_FOUND, "UNKNOWN_MEMBER", "NOT_APPLIED"],
    [refusal(Refusal.STORE_MISMATCH), status.INTERNAL, "INTERNAL", "NOT_APPLIED"],
    [refusal(Refusal.UNKNOWN_COMMAND), status.INTERNAL, "INTERNAL", "NOT_APPLIED"],
  ])("B7: a write that ends as %j", async (outcome, code, reason, known) => {
    const node = new FakeNode();
    node.submitted = outcome;
    const { error } = await (await serve(node)).unary(`${KV}Put`, put());
    expect(error?.code).toBe(code);
    expect(CallFailure.from(error)).toMatchObject({ reason: ErrorReason[reason], outcome: Outcome[known] });
  });

  test.each<[ReadOutcome, status, keyof typeof ErrorReason, number]>([
    [{ kind: "no_leader" }, status.UNAVAILABLE, "NO_LEADER", 0],
    [{ kind: "backlog_full" }, status.RESOURCE_EXHAUSTED, "BACKLOG_FULL", 0],
    [{ kind: "unknown_namespace" }, status.NOT_FOUND, "UNKNOWN_NAMESPACE", 0],
    [{ kind: "compacted", oldestRevision: 5 }, status.OUT_OF_RANGE, "COMPACTED", 5],
    [{ kind: "future_revision", revision: 5 }, status.OUT_OF_RANGE, "FUTURE_REVISION", 0],
    [{ kind: "cancelled" }, status.CANCELLED, "CANCELLED", 0],
    [{ kind: "store_lost" }, status.UNKNOWN, "STORE_LOST", 0],
    [{ kind: "stopping" }, status.UNAVAILABLE, "SHUTTING_DOWN", 0],
  ])("B7: a read that ends as %j", async (outcome, code, reason, oldestRevision) => {
    const node = new FakeNode();
    node.read = outcome;
    const { error } = await (await serve(node)).unary(`${KV}Get`, get());
    expect(error?.code).toBe(code);
    expect(CallFailure.from(error)).toMatchObject({
      reason: ErrorReason[reason],
      oldestRevision,
      outcome: Outcome.UNSPECIFIED,
    });
  });

  test.each<[boolean, status, keyof typeof ErrorReason]>([
    [true, status.DATA_LOSS, "DATA_LOSS"],
    [false, status.UNKNOWN, "STORE_LOST"],
  ])("B7: a store that fails under a read, data loss %s", async (dataLoss, code, reason) => {
    const node = new FakeNode();
    node.storeFails = new StoreFailure("bad checksum", { dataLoss });
    const { error } = await (await serve(node)).unary(`${KV}Get`, get());
    expect(error?.code).toBe(code);
    expect(CallFailure.from(error).reason).toBe(ErrorReason[reason]);
  });

  test("B7: a namespace that is truncated under a read", async () => {
    const node = new FakeNode();
    node.storeFails = new ReadExpired();
    const { error } = await (await serve(node)).unary(`${KV}Get`, get());
    expect(error?.code).toBe(status.ABORTED);
    expect(CallFailure.from(error)).toMatchObject({ reason: ErrorReason.SCAN_CUT, retryable: true });
  });

  test.each<[TransferResult, status]>([
    [{ kind: "unknown_member" }, status.NOT_FOUND],
    [{ kind: "timed_out" }, status.DEADLINE_EXCEEDED],
  ])("B7: a transfer of leadership that ends as %j", async (result, code) => {
    const node = new FakeNode();
    node.transferred = result;
    const body = TransferLeadershipRequest.encode({ memberId: "n9" }).finish();
    const { error } = await (await serve(node)).unary(
      "/quorate.cluster.v1.ClusterService/TransferLeadership",
      body,
    );
    expect(error?.code).toBe(code);
    if (result.kind === "unknown_member") {
      expect(CallFailure.from(error).message).toBe('there is no voter "n9"; the voters are n1, n2, n3');
    }
  });

  test("B7: a deadline that passes over a submitted write leaves its outcome unknown", async () => {
    const node = new FakeNode();
    node.submitted = () => new Promise(() => {});
    // In words that the caller does not know: where it ends the call itself, it knows nothing of the outcome.
    const { error } = await (await serve(node)).unary(`${KV}Put`, put(), {
      deadlineMs: Number.POSITIVE_INFINITY,
      metadata: { "grpc-timeout": "100m" },
    });
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(CallFailure.from(error)).toMatchObject({
      outcome: Outcome.UNKNOWN,
      message: expect.stringContaining("while the outcome was open"),
    });
  });

  test.each<[string, string, Uint8Array, status, string]>([
    ["an empty key", "Put", put({ key: none }), status.INVALID_ARGUMENT, "key must not be empty"],
    ["a long key", "Put", put({ key: Buffer.alloc(4097) }), status.INVALID_ARGUMENT, "4096"],
    ["a long value", "Put", put({ value: Buffer.alloc(2 ** 20 + 1) }), status.RESOURCE_EXHAUSTED, "1048576"],
    ["a negative lease", "Put", put({ leaseId: -1n }), status.INVALID_ARGUMENT, "lease_id"],
    [
      "a negative condition",
      "Put",
      put({ expectedModRevision: -1n }),
      status.INVALID_ARGUMENT,
      "expected_mod_revision",
    ],
    [
      "an unknown enum",
      "Get",
      get({ consistency: 9 as Consistency }),
      status.INVALID_ARGUMENT,
      "consistency",
    ],
    ["a bad duration", "Get", get({ maxStalenessMs: -1n }), status.INVALID_ARGUMENT, "max_staleness_ms"],
    ["a negative revision", "Get", get({ revision: -1n }), status.INVALID_ARGUMENT, "revision"],
    [
      "a backward range",
      "DeleteRange",
      DeleteRangeRequest.encode({
        namespace: "",
        ...range,
        start: Buffer.from("b"),
        end: Buffer.from("a"),
      }).finish(),
      status.INVALID_ARGUMENT,
      "start must be below end",
    ],
    [
      "a prefix and a range",
      "DeleteRange",
      DeleteRangeRequest.encode({
        namespace: "",
        ...range,
        start: Buffer.from("b"),
        prefix: Buffer.from("a"),
      }).finish(),
      status.INVALID_ARGUMENT,
      "prefix",
    ],
    [
      "a range left open",
      "DeleteRange",
      DeleteRangeRequest.encode({ namespace: "", ...range }).finish(),
      status.INVALID_ARGUMENT,
      "must be set",
    ],
    [
      "too many keys",
      "Exists",
      ExistsRequest.encode({ ...reading, keys: Array(10_001).fill(Buffer.from("k")) }).finish(),
      status.RESOURCE_EXHAUSTED,
      "10000",
    ],
    [
      "a short life",
      "OpenSession",
      OpenSessionRequest.encode({ namespace: "", ttlMs: 5n }).finish(),
      status.INVALID_ARGUMENT,
      "ttl_ms",
    ],
  ])("B7: %s in %s", async (_name, method, body, code, named) => {
    const node = new FakeNode();
    const { error } = await (await serve(node)).unary(`${KV}${method}`, body);
    expect(error?.code).toBe(code);
    expect(error?.details).toContain(named);
    expect(node.commands).toEqual([]);
  });
});

describe("bad messages", () => {
  test("B1: a malformed message gets a status, and the next call on the channel succeeds", async () => {
    const node = new FakeNode();
    const serving = await serve(node);
    const { error } = await serving.unary(`${KV}Put`, Uint8Array.of(0x12, 0xff, 0x01, 0x00));
    expect(error?.code).toBe(status.INVALID_ARGUMENT);
    expect(CallFailure.from(error).reason).toBe(ErrorReason.MALFORMED_REQUEST);
    expect(serving.log.lines).toMatchObject([
      {
        level: "info",
        fields: { method: `${KV}Put`, peer: expect.any(String), reason: "MALFORMED_REQUEST" },
      },
    ]);
    expect((await serving.unary(`${KV}Put`, put())).error).toBeNull();
  });

  test("B2: a message over the limit is RESOURCE_EXHAUSTED and names it; nothing is submitted", async () => {
    const node = new FakeNode();
    const serving = await serve(node);
    const { error } = await serving.unary(`${KV}Put`, put({ value: Buffer.alloc(2 * 1024 * 1024 + 1) }));
    expect(error?.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(error?.details).toContain("2097152");
    expect(serving.log.lines).toMatchObject([{ level: "info", fields: { reason: "TOO_LARGE" } }]);
    expect(node.commands).toEqual([]);
    expect((await serving.unary(`${KV}Put`, put())).error).toBeNull();
  });

  test("unknown fields are ignored", async () => {
    const node = new FakeNode();
    const grown = Buffer.concat([put(), Buffer.from([0xf8, 0x07, 0x01])]);
    expect((await (await serve(node)).unary(`${KV}Put`, grown)).error).toBeNull();
  });
});
