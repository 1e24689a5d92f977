import { describe, expect, test } from "@jest/globals";
import { compare, type KvRecord, op, QuorateError, type TxnScanResult, toText } from "@quorate/client";
import { CompareOperator, type TxnRequest } from "@quorate/client/generated";
import { connectionLost, HEADER, ScriptedEndpoints, sessionAnswer } from "./scripted-endpoints";

const A = "127.0.0.1:1";

function answering(reply: object): ScriptedEndpoints {
  return new ScriptedEndpoints(A, ({ method }) => sessionAnswer(method) ?? { header: HEADER, ...reply });
}

function requestOf(ends: ScriptedEndpoints): TxnRequest {
  return ends.of("Txn").at(-1)?.request as TxnRequest;
}

function record(key: string, value: string) {
  return {
    key: Buffer.from(key),
    value: Buffer.from(value),
    createRevision: 7n,
    modRevision: 7n,
    version: 1n,
    leaseId: 0n,
  };
}

describe("a Txn", () => {
  test("A21: carries its comparisons and branches in order, in its namespace", async () => {
    const ends = answering({ succeeded: true, results: [{ result: { $case: "put", value: {} } }] });
    await ends.timing.drive(
      ends.client
        .namespace("shop")
        .txn()
        .if(compare.version("a").equals(0), compare.lease({ prefix: "b" }).notEquals(3n))
        .if(compare.value("c").less("m"), compare.modRevision({ start: "d", end: "e" }).greater(4))
        .do(op.put("a", "1", { leaseId: 9n }))
        .else(op.get("a"), op.deleteRange({ prefix: "x" }))
        .commit(),
    );
    const request = requestOf(ends);
    expect(request.namespace).toBe("shop");
    expect(
      request.compares.map(({ key, prefix, start, operator, target }) => [
        [key, prefix, start].map(toText),
        operator,
        target,
      ]),
    ).toEqual([
      [["a", "", ""], CompareOperator.EQUAL, { $case: "version", value: 0n }],
      [["", "b", ""], CompareOperator.NOT_EQUAL, { $case: "leaseId", value: 3n }],
      [["c", "", ""], CompareOperator.LESS, { $case: "value", value: Buffer.from("m") }],
      [["", "", "d"], CompareOperator.GREATER, { $case: "modRevision", value: 4n }],
    ]);
    expect(request.success.map(({ operation }) => operation?.$case)).toEqual(["put"]);
    expect(request.failure.map(({ operation }) => operation?.$case)).toEqual(["get", "deleteRange"]);
  });

  test("A21: the answers have the types of their operations, in order", async () => {
    const ends = answering({
      succeeded: true,
      results: [
        { result: { $case: "increment", value: { value: 5n } } },
        { result: { $case: "get", value: { record: record("k", "v") } } },
        { result: { $case: "delete", value: { deleted: 1n } } },
        { result: { $case: "scan", value: { records: [record("s", "1")], more: true } } },
        { result: { $case: "count", value: { count: 12n } } },
        { result: { $case: "append", value: { record: record("t", "xy") } } },
      ],
    });
    const outcome = await ends.timing.drive(
      ends.client.kv
        .txn()
        .do(op.increment("n"), op.get("k"), op.delete("d"))
        .do(op.scan({ prefix: "s" }), op.count(), op.append("t", "y"))
        .commit(),
    );
    if (!outcome.succeeded) throw new Error("a Txn without comparisons succeeds");
    // The annotations are part of the test: they fail to compile where a type does not flow.
    const [value, found, deleted, scanned, count, appended]: readonly [
      bigint,
      KvRecord | undefined,
      { readonly deleted: boolean },
      TxnScanResult,
      number,
      KvRecord | undefined,
    ] = outcome.results;
    expect([value, found?.text(), deleted.deleted, scanned.more, count, appended?.text()]).toEqual([
      5n,
      "v",
      true,
      true,
      12,
      "xy",
    ]);
    expect([scanned.records.map(({ key }) => key), outcome.revision]).toEqual([["s"], 7]);
  });

  test("the other branch's answers come where a comparison does not hold", async () => {
    const ends = answering({
      succeeded: false,
      results: [{ result: { $case: "get", value: { record: record("k", "theirs") } } }],
    });
    const outcome = await ends.timing.drive(
      ends.client.kv.txn().if(compare.missing("k")).do(op.put("k", "mine")).else(op.get("k")).commit(),
    );
    expect(outcome.succeeded ? "mine" : outcome.results[0]?.text()).toBe("theirs");
  });

  test("A21: a nested Txn answers with its own branch", async () => {
    const nested = { succeeded: false, results: [{ result: { $case: "count", value: { count: 3n } } }] };
    const ends = answering({
      succeeded: true,
      results: [{ result: { $case: "txn", value: nested } }],
    });
    const { kv } = ends.client;
    const inner = kv.txn().if(compare.exists("k")).do(op.increment("n", 2)).else(op.count());
    const outcome = await ends.timing.drive(kv.txn().do(op.txn(inner)).commit());
    const [branch] = outcome.succeeded ? outcome.results : [];
    expect(branch?.succeeded === false ? branch.results[0] : undefined).toBe(3);
    expect(requestOf(ends).success[0]?.operation?.$case).toBe("txn");
  });

  test("a builder is never changed: what follows a common beginning stays apart", async () => {
    const ends = answering({ succeeded: true, results: [] });
    const { kv } = ends.client;
    const beginning = kv.txn().if(compare.exists("k"));
    await ends.timing.drive(beginning.if(compare.exists("l")).commit());
    await ends.timing.drive(beginning.commit());
    expect(requestOf(ends).compares).toHaveLength(1);
  });

  test("A21: it is one request under one request id, however often it is sent", async () => {
    const ends = new ScriptedEndpoints(A, ({ method }) =>
      ends.of("Txn").length === 1 && method === "Txn"
        ? connectionLost
        : (sessionAnswer(method) ?? { header: HEADER, succeeded: true, results: [] }),
    );
    await ends.timing.drive(ends.client.kv.txn().commit());
    expect(ends.of("Txn").map(({ requestId }) => requestId)).toEqual(["42/1/1/0", "42/1/1/0"]);
  });

  test("what it writes counts for session reads", async () => {
    const ends = answering({ succeeded: true, results: [] });
    await ends.timing.drive(ends.client.kv.txn().commit());
    ends.answer = () => ({ header: HEADER, record: undefined });
    await ends.timing.drive(ends.client.kv.get("k", { consistency: "session" }));
    expect(ends.attempts.at(-1)?.request).toMatchObject({ minRevision: 7n });
  });

  test("an empty key and a number that is none are refused at once", () => {
    expect(() => compare.value("")).toThrow("the key of a comparison must not be empty");
    expect(() => compare.version("k").equals(1.5)).toThrow("the version must be a whole number");
    expect(() => compare.missing({ prefix: "a", start: "b" })).toThrow("not both");
  });

  test("answers that do not fit the operations are an error, not a guess", async () => {
    const ends = answering({
      succeeded: true,
      results: [{ result: { $case: "count", value: { count: 3n } } }],
    });
    const error = await ends.failure(ends.client.kv.txn().do(op.get("k")).commit());
    expect([error.reason, error.outcome, error instanceof QuorateError]).toEqual([
      "INTERNAL",
      "unknown",
      true,
    ]);
  });

  test("a compaction names its revision", async () => {
    const ends = answering({});
    await ends.timing.drive(ends.client.kv.compact(12));
    expect(ends.of("Compact").map(({ request }) => request)).toEqual([{ namespace: "", revision: 12n }]);
  });
});
