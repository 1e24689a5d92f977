import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { TransferLeadershipRequest } from "@quorate/proto/cluster";
import {
  BatchGetRequest,
  BatchGetResponse,
  Consistency,
  CountRequest,
  CountResponse,
  DeleteRangeRequest,
  ErrorReason,
  ExistsRequest,
  ExistsResponse,
  GetRequest,
  GetResponse,
  OpenSessionRequest,
  Outcome,
  PutRequest,
  PutResponse,
  ScanRequest,
  ScanResponse,
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
import type { NodeContext } from "@quorate/services/rpc";
import { Serving } from "../forward/serving";
import { DONE, FakeNode, READY, stored } from "./fake-node";

const KV = "/quorate.kv.v1.KvService/";
const none = Buffer.alloc(0);
const reading = {
  namespace: "",
  consistency: Consistency.UNSPECIFIED,
  minRevision: 0n,
  maxStalenessMs: 0n,
  revision: 0n,
};
const range = { start: none, end: none, prefix: none };

const put = (changes: Partial<PutRequest> = {}): Uint8Array =>
  PutRequest.encode({
    namespace: "",
    key: Buffer.from("k"),
    value: Buffer.from("v"),
    leaseId: 0n,
    returnPrevious: false,
    ...changes,
  }).finish();
const get = (changes: Partial<GetRequest> = {}): Uint8Array =>
  GetRequest.encode({ ...reading, key: Buffer.from("k"), ...changes }).finish();
const scan = (changes: Partial<ScanRequest> = {}): Uint8Array =>
  ScanRequest.encode({
    ...reading,
    ...range,
    limit: 0n,
    cursor: none,
    reverse: false,
    keysOnly: false,
    ...changes,
  }).finish();

const closing: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(node: FakeNode, changes: Partial<NodeContext> = {}): Promise<Serving> {
  const serving = await Serving.open(node.service(changes), {
    messageBytesMax: 3 * 1024 * 1024,
    onEnd: (method, code) => node.counters.ended(method, code),
  });
  closing.push(
    () => serving.close(),
    () => node.channels.close(),
  );
  return serving;
}

describe("the error table, produced by the handlers", () => {
  const refusal = (reason: Refusal): SubmitOutcome => ({
    kind: "applied",
    answer: { revision: 8n, result: { $case: "refused", value: { refusal: reason, message: "refused" } } },
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
  });

  test("B7: a deadline that passes over a submitted write leaves its outcome unknown", async () => {
    const node = new FakeNode();
    node.submitted = () => new Promise(() => {});
    const { error } = await (await serve(node)).unary(`${KV}Put`, put(), { deadlineMs: 300 });
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(CallFailure.from(error).outcome).toBe(Outcome.UNKNOWN);
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

describe("writes", () => {
  test("a request id goes into the command", async () => {
    const node = new FakeNode();
    const metadata = { "quorate-request-id": "3/5/4" };
    const { answer } = await (await serve(node)).unary(`${KV}Put`, put(), { metadata });
    expect(node.commands).toMatchObject([
      { wallTimeMs: 1000n, requestId: { clientId: 3n, sequence: 5n, firstUnanswered: 4n } },
    ]);
    expect(PutResponse.decode(answer!).header).toEqual({
      clusterId: "c",
      memberId: "n1",
      term: 2n,
      revision: 8n,
    });
  });

  test.each([
    "",
    "1",
    "1/2",
    "a/b/c",
    "0/1/1",
    "1/0/1",
    "1/1/2",
    "1/2/3/4",
    "-1/1/1",
    "9999999999999999/1/1",
  ])("the request id %p is INVALID_ARGUMENT", async (text) => {
    const node = new FakeNode();
    const metadata = { "quorate-request-id": text };
    const { error } = await (await serve(node)).unary(`${KV}Put`, put(), { metadata });
    expect(error?.code).toBe(status.INVALID_ARGUMENT);
    expect(node.commands).toEqual([]);
  });
});

describe("calls that belong to the leader", () => {
  async function follower(changes: Partial<NodeContext> = {}) {
    const leader = new FakeNode("n1");
    const leading = await serve(leader);
    const node = new FakeNode("n2");
    node.directory.learnMember("n1", leading.address);
    return { leader, node, serving: await serve(node, changes), leading };
  }

  test("C2: a write to a follower is answered by the leader", async () => {
    const { leader, node, serving } = await follower();
    const { answer } = await serving.unary(`${KV}Put`, put(), {
      metadata: { "quorate-request-id": "3/5/4" },
    });
    expect(PutResponse.decode(answer!).header?.memberId).toBe("n1");
    expect(leader.commands).toMatchObject([{ requestId: { sequence: 5n } }]);
    expect(node.commands).toEqual([]);
    expect(node.counters.forwarded).toBe(1);
  });

  test("the leader's failure comes back unchanged", async () => {
    const { leader, serving } = await follower();
    leader.submitted = {
      kind: "applied",
      answer: {
        revision: 8n,
        result: { $case: "refused", value: { refusal: Refusal.CONDITION_FAILED, message: "it is 3, not 2" } },
      },
      entry: { term: 2, index: 10 },
    };
    const { error } = await serving.unary(`${KV}Put`, put());
    expect(error?.details).toBe("it is 3, not 2");
    expect(CallFailure.from(error)).toMatchObject({ reason: ErrorReason.CONDITION_FAILED });
  });

  test.each<[string, Record<string, string>, boolean]>([
    ["the caller says off", { "quorate-forward": "off" }, true],
    ["the node's setting says off", {}, false],
    ["it was forwarded once already", { "quorate-hops": "1" }, true],
  ])(
    "C1: a follower refuses a write with the leader's address when %s",
    async (_why, metadata, forwarding) => {
      const { leader, serving, leading } = await follower({ forwarding });
      const { error } = await serving.unary(`${KV}Put`, put(), { metadata });
      expect(error?.code).toBe(status.UNAVAILABLE);
      expect(CallFailure.from(error)).toMatchObject({
        reason: ErrorReason.NOT_LEADER,
        outcome: Outcome.NOT_APPLIED,
        leader: { memberId: "n1", address: leading.address },
      });
      expect(leader.commands).toEqual([]);
    },
  );

  test("C1: with forwarding off a follower answers no default read, but a stale one", async () => {
    const { node, serving } = await follower({ forwarding: false });
    node.records = [stored("k")];
    const { error } = await serving.unary(`${KV}Get`, get());
    expect(CallFailure.from(error)).toMatchObject({
      reason: ErrorReason.NOT_LEADER,
      leader: { memberId: "n1" },
    });
    const { answer } = await serving.unary(`${KV}Get`, get({ consistency: Consistency.STALE }));
    expect(GetResponse.decode(answer!).record?.value.toString()).toBe(stored("k").value.toString());
  });

  test("a follower serves a default read itself", async () => {
    const { leader, node, serving } = await follower();
    await serving.unary(`${KV}Get`, get());
    expect(node.reads).toMatchObject([{ namespace: "default", consistency: "linearizable" }]);
    expect(leader.reads).toEqual([]);
  });

  test("a call for another member goes there, for an unknown one nowhere", async () => {
    const { leader, node, serving } = await follower();
    await serving.unary(`${KV}Get`, get(), { metadata: { "quorate-member": "n1" } });
    expect([leader.reads.length, node.reads.length]).toEqual([1, 0]);
    const { error } = await serving.unary(`${KV}Get`, get(), { metadata: { "quorate-member": "n9" } });
    expect(error?.code).toBe(status.NOT_FOUND);
  });

  test("without a leader a write is refused with NO_LEADER", async () => {
    const { node, serving } = await follower();
    node.directory.replaceLeader(null, 3);
    const { error } = await serving.unary(`${KV}Put`, put());
    expect(CallFailure.from(error)).toMatchObject({
      reason: ErrorReason.NO_LEADER,
      outcome: Outcome.NOT_APPLIED,
    });
  });

  test("a leader that is deposed under the call passes it on, for nothing was applied", async () => {
    const { leader, node, serving } = await follower();
    const n1 = node.directory.leader!;
    node.directory.replaceLeader("n2", 2);
    node.submitted = () => {
      node.directory.replaceLeader(n1.memberId, 3);
      return { kind: "not_applied", reason: "not_leader", leaderId: "n1" };
    };
    const { answer } = await serving.unary(`${KV}Put`, put());
    expect(PutResponse.decode(answer!).header?.memberId).toBe("n1");
    expect([node.commands.length, leader.commands.length]).toEqual([1, 1]);
  });
});

describe("reads", () => {
  const keys = (...names: string[]) => names.map((name) => Buffer.from(name));

  test("A2: an absent key has no record, an empty value has one", async () => {
    const node = new FakeNode();
    node.records = [stored("k", "")];
    const serving = await serve(node);
    const there = GetResponse.decode((await serving.unary(`${KV}Get`, get())).answer!);
    expect(there.record?.value).toHaveLength(0);
    const absent = GetResponse.decode(
      (await serving.unary(`${KV}Get`, get({ key: Buffer.from("x") }))).answer!,
    );
    expect(absent.record).toBeUndefined();
  });

  test("A13: BatchGet keeps the order, with a found flag a key", async () => {
    const node = new FakeNode();
    node.records = [stored("a"), stored("b")];
    const body = BatchGetRequest.encode({
      ...reading,
      keys: keys("b", "x", "a", "b"),
      keysOnly: false,
    }).finish();
    const answer = BatchGetResponse.decode((await (await serve(node)).unary(`${KV}BatchGet`, body)).answer!);
    expect(answer.found).toEqual([true, false, true, true]);
    expect(answer.records.map(({ key }) => key.toString())).toEqual(keys("b", "x", "a", "b").map(String));
  });

  test("BatchGet refuses an answer that one message cannot hold", async () => {
    const node = new FakeNode();
    node.records = [stored("a", Buffer.alloc(1024 * 1024))];
    const body = BatchGetRequest.encode({
      ...reading,
      keys: keys("a", "a", "a", "a"),
      keysOnly: false,
    }).finish();
    const { error } = await (await serve(node)).unary(`${KV}BatchGet`, body);
    expect(error?.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(error?.details).toContain("limit");
  });

  test("A15: Exists counts, duplicates counted", async () => {
    const node = new FakeNode();
    node.records = [stored("a"), stored("b")];
    const body = ExistsRequest.encode({ ...reading, keys: keys("a", "a", "x", "b") }).finish();
    const { answer } = await (await serve(node)).unary(`${KV}Exists`, body);
    expect(ExistsResponse.decode(answer!).count).toBe(3n);
  });

  test("Count counts a prefix", async () => {
    const node = new FakeNode();
    node.records = ["a", "b1", "b2", "c"].map((key) => stored(key));
    const body = CountRequest.encode({ ...reading, ...range, prefix: Buffer.from("b") }).finish();
    expect(CountResponse.decode((await (await serve(node)).unary(`${KV}Count`, body)).answer!).count).toBe(
      2n,
    );
  });
});

describe("Scan", () => {
  const names = Array.from({ length: 10 }, (_, at) => `k${at}`);

  async function pages(node: FakeNode, request: Partial<ScanRequest>) {
    const serving = await serve(node);
    const seen: string[][] = [];
    let cursor: Uint8Array = none;
    for (;;) {
      const { messages, error } = await serving.stream(
        `${KV}Scan`,
        scan({ ...request, cursor: Buffer.from(cursor) }),
      );
      expect(error).toBeNull();
      const parts = messages.map((message) => ScanResponse.decode(message));
      seen.push(parts.flatMap(({ records }) => records.map(({ key }) => key.toString())));
      const last = parts.at(-1)!;
      if (!last.more) return seen;
      cursor = last.nextCursor;
    }
  }

  test("A17: a scan is ordered and complete, pages with a cursor, and ends with none", async () => {
    const node = new FakeNode();
    node.records = names.map((name) => stored(name));
    expect(await pages(node, { limit: 4n })).toEqual([names.slice(0, 4), names.slice(4, 8), names.slice(8)]);
    expect(await pages(node, { limit: 5n })).toEqual([names.slice(0, 5), names.slice(5)]);
    expect(await pages(node, {})).toEqual([names]);
  });

  test("backwards, over a range and over nothing", async () => {
    const node = new FakeNode();
    node.records = names.map((name) => stored(name));
    const backwards = names.toReversed();
    expect(await pages(node, { limit: 7n, reverse: true })).toEqual([
      backwards.slice(0, 7),
      backwards.slice(7),
    ]);
    const some = { start: Buffer.from("k2"), end: Buffer.from("k6") };
    expect(await pages(node, { ...some, limit: 3n })).toEqual([names.slice(2, 5), names.slice(5, 6)]);
    expect(await pages(node, { prefix: Buffer.from("x") })).toEqual([[]]);
  });

  test("A18: a large answer comes in parts of bounded size, each with the header", async () => {
    const node = new FakeNode();
    node.records = names.map((name) => stored(name, Buffer.alloc(200_000)));
    const { messages } = await (await serve(node)).stream(`${KV}Scan`, scan());
    expect(messages.length).toBeGreaterThan(4);
    for (const message of messages) {
      expect(message.length).toBeLessThan(700_000);
      expect(ScanResponse.decode(message).header?.revision).toBe(7n);
    }
  });

  test.each([
    [{ cursor: Buffer.from("?") }, "cursor"],
    [{ cursor: Buffer.of(9, 1) }, "cursor"],
    [{ limit: -1n }, "limit"],
    [{ prefix: Buffer.from("a"), end: Buffer.from("b") }, "prefix"],
  ])("%j is INVALID_ARGUMENT", async (change, named) => {
    const { error } = await (await serve(new FakeNode())).stream(`${KV}Scan`, scan(change));
    expect(error?.code).toBe(status.INVALID_ARGUMENT);
    expect(error?.details).toContain(named);
  });
});

describe("counters", () => {
  test("L6: they move by exactly the calls made, by method and status", async () => {
    const node = new FakeNode();
    const serving = await serve(node);
    await serving.unary(`${KV}Put`, put());
    await serving.unary(`${KV}Put`, put({ key: none }));
    node.read = READY;
    node.submitted = DONE;
    await serving.unary(`${KV}Get`, get());
    expect(node.counters.methods()).toEqual([
      { method: "quorate.kv.v1.KvService/Get", ok: 1, failed: 0 },
      { method: "quorate.kv.v1.KvService/Put", ok: 1, failed: 1 },
    ]);
  });
});
