import { describe, expect, test } from "@jest/globals";
import { Consistency, ErrorReason, GetResponse } from "@quorate/proto/kv";
import { ByteCall, CallFailure, type EndingCall, methodRoutes, NO_HEADERS } from "@quorate/services/forward";
import type { Cancellation, ReadOutcome } from "@quorate/services/replica";
import { NodeService } from "@quorate/services/rpc";
import { eventually } from "../../support/eventually";
import { FakeNode, READY, stored } from "./fake-node";
import { get, KV, none } from "./node-rig";

function fieldsOf(body: Uint8Array, forward = ""): ConstructorParameters<typeof ByteCall>[0] {
  return {
    method: methodRoutes.get(`${KV}Get`)!,
    body: Buffer.from(body),
    headers: { ...NO_HEADERS, forward },
    connection: { getPeer: () => "nobody" },
    deadlineMs: Number.POSITIVE_INFINITY,
  };
}

function callOf(body: Uint8Array, forward = ""): ByteCall {
  return new ByteCall(fieldsOf(body, forward));
}

/** A call of a pipeline: notes what it is told. */
class ToldCall extends ByteCall implements EndingCall {
  readonly told: string[] = [];

  private readonly onAnswer: () => void;

  constructor(key: string, onAnswer: () => void) {
    super(fieldsOf(get({ key: Buffer.from(key) })));
    this.onAnswer = onAnswer;
  }

  answered(body: Uint8Array): void {
    this.onAnswer();
    const value = GetResponse.decode(body).record?.value;
    this.told.push(value === undefined ? "nothing" : Buffer.from(value).toString());
    this.abort();
  }

  failed(error: unknown): void {
    this.told.push(ErrorReason[CallFailure.from(error).reason]);
    this.abort();
  }
}

function callFor(key: string): ByteCall {
  return callOf(get({ key: Buffer.from(key) }));
}

async function valueIn(answer: Promise<Uint8Array>): Promise<string | undefined> {
  const value = GetResponse.decode(await answer).record?.value;
  return value === undefined ? undefined : Buffer.from(value).toString();
}

async function reasonOf(answer: Promise<Uint8Array>): Promise<string | undefined> {
  return answer.then(
    () => "answered",
    (error: unknown) => ErrorReason[CallFailure.from(error).reason],
  );
}

describe("gets of one turn", () => {
  test("share one read point, and each has its own answer", async () => {
    const node = new FakeNode();
    node.records = ["a", "b"].map((key) => stored(key));
    const service = node.service();
    const answers = ["b", "x", "a", "b"].map((key) => valueIn(service.unary(callFor(key))));
    expect(await Promise.all(answers)).toEqual(["value of b", undefined, "value of a", "value of b"]);
    expect(node.reads).toHaveLength(1);
  });

  test("more than are looked up at a time are all answered", async () => {
    const node = new FakeNode();
    const keys = Array.from({ length: 500 }, (_, at) => `k${at}`);
    node.records = keys.map((key) => stored(key));
    const service = node.service();
    const answers = await Promise.all(keys.map((key) => valueIn(service.unary(callFor(key)))));
    expect(answers).toEqual(keys.map((key) => `value of ${key}`));
    expect(node.reads).toHaveLength(1);
  });

  test("that want something else are answered from a read point of their own", async () => {
    const node = new FakeNode();
    const service = node.service();
    const wanted = [{}, { consistency: Consistency.STALE }, { minRevision: 5n }, { namespace: "other" }, {}];
    await Promise.all(wanted.map((fields) => service.unary(callOf(get(fields)))));
    expect(
      node.reads.map(({ namespace, consistency, minRevision }) => [namespace, consistency, minRevision]),
    ).toEqual([
      ["default", "linearizable", 0],
      ["default", "stale", 0],
      ["default", "linearizable", 5],
      ["other", "linearizable", 0],
      ["default", "linearizable", 0],
    ]);
  });

  test.each([
    ["their namespace", {}, { namespace: "other" }],
    ["their consistency", {}, { consistency: Consistency.STALE }],
    ["the revision that it is to have come to", { minRevision: 4n }, { minRevision: 5n }],
    [
      "how old it may be",
      { consistency: Consistency.STALE, maxStalenessMs: 100n },
      { consistency: Consistency.STALE, maxStalenessMs: 200n },
    ],
    ["the revision that is asked for", { revision: 1n }, { revision: 2n }],
  ])("that differ in %s alone share none", async (_what, one, other) => {
    const node = new FakeNode();
    const service = node.service();
    await Promise.allSettled([one, other, other].map((fields) => service.unary(callOf(get(fields)))));
    expect(node.reads).toHaveLength(2);
  });

  test("and of the next turn have a read point each", async () => {
    const node = new FakeNode();
    const service = node.service();
    await service.unary(callFor("a"));
    await service.unary(callFor("a"));
    expect(node.reads).toHaveLength(2);
  });

  test("are refused one by one where the request is no good", async () => {
    const node = new FakeNode("n2");
    node.records = [stored("a")];
    const service = node.service();
    const good = [callFor("a"), callFor("x")].map((call) => service.unary(call));
    const bad = [callOf(get({ key: none })), callOf(Buffer.from([255])), callOf(get(), "off")];
    const reasons = bad.map((call) => reasonOf(service.unary(call)));
    expect(await Promise.all(reasons)).toEqual(["INVALID_ARGUMENT", "MALFORMED_REQUEST", "NOT_LEADER"]);
    expect(await Promise.all(good.map(valueIn))).toEqual(["value of a", undefined]);
  });

  test("fail together where there is no read point, and where the store fails", async () => {
    const node = new FakeNode();
    const service = node.service();
    const both = (): Promise<(string | undefined)[]> =>
      Promise.all(["a", "b"].map((key) => reasonOf(service.unary(callFor(key)))));
    node.read = { kind: "no_leader" };
    expect(await both()).toEqual(["NO_LEADER", "NO_LEADER"]);
    node.read = READY;
    node.storeFails = new Error("broken");
    expect(await both()).toEqual(["INTERNAL", "INTERNAL"]);
  });
});

describe("gets of a pipeline are told how they end, once:", () => {
  /** @param keys as many calls, begun in one turn */
  async function begun(node: FakeNode, keys: readonly string[], onAnswer = () => {}): Promise<string[][]> {
    const service = node.service();
    const calls = keys.map((key) => new ToldCall(key, onAnswer));
    for (const call of calls) service.begin(call);
    await eventually("all are told", () => calls.every(({ told }) => told.length > 0));
    return calls.map(({ told }) => told);
  }

  test("what is there, and that nothing is", async () => {
    const node = new FakeNode();
    node.records = [stored("a")];
    expect(await begun(node, ["a", "b"])).toEqual([["value of a"], ["nothing"]]);
  });

  test("that they are refused", async () => {
    const node = new FakeNode();
    node.records = [stored("a")];
    expect(await begun(node, ["", "a"])).toEqual([["INVALID_ARGUMENT"], ["value of a"]]);
  });

  test("that there is no read point, and that the store fails", async () => {
    const node = new FakeNode();
    node.read = { kind: "no_leader" };
    expect(await begun(node, ["a", "b"])).toEqual([["NO_LEADER"], ["NO_LEADER"]]);
    node.read = READY;
    node.storeFails = new Error("broken");
    expect(await begun(node, ["a", "b"])).toEqual([["INTERNAL"], ["INTERNAL"]]);
  });

  test("those that were answered before the store failed hear nothing of that", async () => {
    const node = new FakeNode();
    node.records = [stored("a")];
    const ends = await begun(node, [...new Array<string>(128).fill("a"), "b"], () => {
      node.storeFails = new Error("broken");
    });
    expect(ends.slice(0, 128)).toEqual(new Array(128).fill(["value of a"]));
    expect(ends.slice(128)).toEqual([["INTERNAL"]]);
  });
});

describe("gets whose callers leave", () => {
  /** A service whose read points are found when the test says so. */
  class Waiting {
    readonly node = new FakeNode();
    readonly service: NodeService;
    asked = 0;
    cancelled = 0;
    private settle: (outcome: ReadOutcome) => void = () => {};

    constructor() {
      this.node.records = ["a", "b", "c"].map((key) => stored(key));
      const context = this.node.context();
      const readPoint = (_: unknown, cancellation?: Cancellation): Promise<ReadOutcome> =>
        new Promise((resolve) => {
          this.asked += 1;
          const onAbort = (): void => {
            this.cancelled += 1;
            resolve({ kind: "cancelled" });
          };
          this.settle = (outcome) => {
            cancellation?.removeEventListener("abort", onAbort);
            resolve(outcome);
          };
          cancellation?.addEventListener("abort", onAbort);
        });
      const replica = { ...context.replica, readPoint };
      this.service = new NodeService({ ...context, replica }, this.node.channels);
    }

    found(): void {
      this.settle(READY);
    }
  }

  test("are given up when the last of them has left", async () => {
    const waiting = new Waiting();
    const calls = ["a", "b", "c"].map(callFor);
    const reasons = calls.map((call) => reasonOf(waiting.service.unary(call)));
    await Promise.resolve();
    for (const at of [1, 0]) calls[at]!.abort();
    expect(waiting.cancelled).toBe(0);
    calls[2]!.abort();
    expect(waiting.cancelled).toBe(1);
    expect(await Promise.all(reasons)).toEqual(["CANCELLED", "CANCELLED", "CANCELLED"]);
  });

  test("leave the others, which are answered", async () => {
    const waiting = new Waiting();
    const calls = ["a", "b", "c"].map(callFor);
    const answers = calls.map((call) => waiting.service.unary(call));
    await Promise.resolve();
    for (const at of [0, 2]) calls[at]!.abort();
    waiting.found();
    expect(await valueIn(answers[1]!)).toBe("value of b");
    calls[1]!.abort();
    expect(waiting.cancelled).toBe(0);
  });

  test("before they are asked for are not asked for", async () => {
    const waiting = new Waiting();
    const call = callFor("a");
    const reason = reasonOf(waiting.service.unary(call));
    call.abort();
    expect(await reason).toBe("CANCELLED");
    expect(waiting.asked).toBe(0);
  });
});
