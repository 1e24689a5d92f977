import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "@jest/globals";
import {
  BatchGetRequest,
  BatchGetResponse,
  Consistency,
  CountRequest,
  CountResponse,
  ErrorReason,
  ExistsRequest,
  ExistsResponse,
  GetResponse,
  OpenSessionRequest,
  Outcome,
  PutResponse,
  type ScanRequest,
  ScanResponse,
  TruncateRequest,
} from "@quorate/proto/kv";
import { Refusal } from "@quorate/proto/log";
import { CallFailure } from "@quorate/services/forward";
import { LeaderWait, type NodeContext } from "@quorate/services/rpc";
import { eventually } from "../../support/eventually";
import { PATIENCE_MS } from "../forward/serving";
import { DONE, FakeNode, READY, stored } from "./fake-node";

import { get, KV, none, put, range, reading, scan, serve } from "./node-rig";

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
    { id: "3/5/4/0", follows: 0n },
    { id: "3/5/4/4", follows: 4n },
    { id: "3/5/5/2", follows: 2n },
  ])("a request id of four parts names the write that it follows: $id", async ({ id, follows }) => {
    const node = new FakeNode();
    await (await serve(node)).unary(`${KV}Put`, put(), { metadata: { "quorate-request-id": id } });
    expect(node.commands).toMatchObject([{ requestId: { clientId: 3n, sequence: 5n, follows } }]);
  });

  test.each([
    "",
    "1",
    "1/2",
    "1/3/3/3",
    "1/3/3/-1",
    "1/3/3/",
    "1/3/3/01",
    "1/4/3/2/1",
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
        result: {
          $case: "refused",
          value: { refusal: Refusal.CONDITION_FAILED, message: "it is 3, not 2", oldestRevision: 0n },
        },
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

  describe("where calls wait for a leader", () => {
    function waiting(waitMsMax: number) {
      return new LeaderWait({
        waitMsMax,
        wallMs: () => Date.now(),
        after: (delayMs, run) => {
          const timer = setTimeout(run, delayMs);
          return () => clearTimeout(timer);
        },
      });
    }

    async function leaderless(waitMsMax: number) {
      const all = await follower();
      const { node } = all;
      node.directory.replaceLeader(null, 3);
      node.leaderWait = waiting(waitMsMax);
      return all;
    }

    test("a write goes on when another is elected, and then to it", async () => {
      const { leader, node, serving } = await leaderless(PATIENCE_MS);
      const answered = serving.unary(`${KV}Put`, put());
      await eventually("it waits", () => node.leaderWait?.size === 1);
      node.directory.replaceLeader("n1", 3);
      node.leaderWait?.release();
      expect((await answered).error).toBeNull();
      expect(leader.commands).toHaveLength(1);
    });

    test("it is served here where this node was elected", async () => {
      const { leader, node, serving } = await leaderless(PATIENCE_MS);
      const answered = serving.unary(`${KV}Put`, put());
      await eventually("it waits", () => node.leaderWait?.size === 1);
      node.directory.replaceLeader("n2", 3);
      node.leaderWait?.release();
      expect((await answered).error).toBeNull();
      expect([leader.commands.length, node.commands.length]).toEqual([0, 1]);
    });

    test("it is refused when nobody is elected in time", async () => {
      const { node, serving } = await leaderless(20);
      const { error } = await serving.unary(`${KV}Put`, put());
      expect(CallFailure.from(error)).toMatchObject({
        reason: ErrorReason.NO_LEADER,
        outcome: Outcome.NOT_APPLIED,
      });
      expect(node.leaderWait?.size).toBe(0);
    });

    test("whoever wants no forwarding, and whoever reads, waits for nobody", async () => {
      const { node, serving } = await leaderless(PATIENCE_MS);
      const { error } = await serving.unary(`${KV}Put`, put(), { metadata: { "quorate-forward": "off" } });
      expect(CallFailure.from(error).reason).toBe(ErrorReason.NO_LEADER);
      expect((await serving.unary(`${KV}Get`, get())).error).toBeNull();
      expect(node.leaderWait?.size).toBe(0);
    });

    test("a call whose caller leaves is kept no longer", async () => {
      const { node, serving } = await leaderless(PATIENCE_MS);
      const { error } = await serving.unary(`${KV}Put`, put(), { deadlineMs: 50 });
      expect(error).not.toBeNull();
      await eventually("nothing waits", () => node.leaderWait?.size === 0);
    });
  });

  test("E9: what makes space is taken where there is none, and nothing else", async () => {
    const node = new FakeNode("n1");
    const serving = await serve(node);
    await serving.unary(`${KV}Put`, put());
    await serving.unary(
      `${KV}OpenSession`,
      Buffer.from(OpenSessionRequest.encode({ namespace: "", ttlMs: 60_000n }).finish()),
    );
    await serving.unary(`${KV}Truncate`, Buffer.from(TruncateRequest.encode({ namespace: "" }).finish()));
    expect(node.withoutSpace.map(({ operation }) => operation?.$case)).toEqual(["openSession", "truncate"]);
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
