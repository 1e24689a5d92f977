import { describe, expect, test } from "@jest/globals";
import {
  type Compare,
  CompareOperator,
  Consistency,
  ErrorReason,
  type PutRequest,
  type TxnOperation,
  TxnRequest,
  TxnResponse,
} from "@quorate/proto/kv";
import { TxnCompareOperator } from "@quorate/proto/log";
import { CallFailure } from "@quorate/services/forward";
import { applied, done, FakeNode } from "./fake-node";
import { KV, none, range, reading, serve } from "./node-rig";

const PATH = `${KV}Txn`;
const key = Buffer.from("k");
const value = Buffer.from("v");

type Operation = NonNullable<TxnOperation["operation"]>;

function putOf(changes: Partial<PutRequest> = {}): Operation {
  return {
    $case: "put",
    value: { namespace: "", key, value, leaseId: 0n, returnPrevious: false, ...changes },
  };
}

function txnOf(changes: Partial<TxnRequest> = {}): TxnRequest {
  return { namespace: "", compares: [], success: [], failure: [], ...changes };
}

function compareOf(changes: Partial<Compare> = {}): Compare {
  const target: Compare["target"] = { $case: "version", value: 1n };
  return { key, ...range, operator: CompareOperator.EQUAL, target, ...changes };
}

const version = (number: bigint): Compare["target"] => ({ $case: "version", value: number });
const listOf = (...operations: Operation[]): TxnOperation[] => operations.map((operation) => ({ operation }));
const get: Operation = { $case: "get", value: { ...reading, key } };
const scan = {
  ...reading,
  ...range,
  limit: 0n,
  cursor: none,
  reverse: false,
  keysOnly: false,
};

async function failureOf(request: TxnRequest): Promise<CallFailure> {
  const node = new FakeNode();
  const { error } = await (await serve(node)).unary(PATH, TxnRequest.encode(request).finish());
  expect(node.commands).toEqual([]);
  return CallFailure.from(error);
}

describe("what a Txn must not be", () => {
  const deepest = txnOf({ success: listOf(putOf()) });
  const nested = txnOf({ success: listOf({ $case: "txn", value: deepest }) });
  test.each<[string, Partial<TxnRequest>, string]>([
    ["an empty key", { success: listOf(putOf({ key: none })) }, "success[0].put.key must not be empty"],
    [
      "a second operation that is wrong",
      { failure: listOf(get, { $case: "increment", value: { namespace: "", key: none, delta: 1n } }) },
      "failure[1].increment.key must not be empty",
    ],
    ["no operation", { success: [{ operation: undefined }] }, "success[0].operation must be set"],
    [
      "another namespace",
      { namespace: "a", success: listOf(putOf({ namespace: "b" })) },
      'success[0].put.namespace is "b", but a Txn stays within its own, "a"',
    ],
    [
      "a fresh read",
      { success: listOf({ $case: "get", value: { ...reading, key, consistency: Consistency.STALE } }) },
      "success[0].get.consistency must not be set within a Txn",
    ],
    [
      "a read at a revision",
      { success: listOf({ $case: "get", value: { ...reading, key, revision: 3n } }) },
      "success[0].get.revision must not be set within a Txn",
    ],
    [
      "a cursor",
      { success: listOf({ $case: "scan", value: { ...scan, cursor: key } }) },
      "success[0].scan.cursor must not be set within a Txn",
    ],
    [
      "a scan backwards",
      { success: listOf({ $case: "scan", value: { ...scan, reverse: true } }) },
      "success[0].scan.reverse must not be set within a Txn",
    ],
    [
      "a long scan",
      { success: listOf({ $case: "scan", value: { ...scan, limit: 1001n } }) },
      "success[0].scan.limit is 1001; within a Txn it is 1 to 1000",
    ],
    [
      "an unnamed range to delete",
      { success: listOf({ $case: "deleteRange", value: { namespace: "", ...range } }) },
      "success[0].delete_range.one of start, end and prefix must be set",
    ],
    [
      "three levels",
      { success: listOf({ $case: "txn", value: nested }) },
      "success[0].txn.success[0].txn.txn is nested too deep: a Txn within a Txn holds no further one",
    ],
    [
      "no target",
      { compares: [compareOf({ target: undefined })] },
      "compares[0].target must be set: what is compared with what",
    ],
    [
      "an unknown operator",
      { compares: [compareOf({ operator: 9 as CompareOperator })] },
      "compares[0].operator has the unknown value 9",
    ],
    [
      "no operator",
      { compares: [compareOf({ operator: CompareOperator.UNSPECIFIED })] },
      "compares[0].operator has the unknown value 0",
    ],
    [
      "a negative version",
      { compares: [compareOf({ target: version(-1n) })] },
      "compares[0].target version must not be negative",
    ],
    [
      "a key and a prefix",
      { compares: [compareOf({ prefix: key })] },
      "compares[0].key cannot be combined with start, end or prefix",
    ],
    [
      "neither a key nor a range",
      { compares: [compareOf({ key: none })] },
      "compares[0].one of key, start, end and prefix must be set",
    ],
    [
      "too many operations, nested ones counted",
      {
        success: [
          ...listOf(...Array.from({ length: 100 }, () => get)),
          ...listOf({
            $case: "txn",
            value: txnOf({ failure: listOf(...Array.from({ length: 28 }, () => get)) }),
          }),
        ],
      },
      "success has 129 items with those of nested ones, more than the limit of 128",
    ],
    [
      "too many compares",
      { compares: Array.from({ length: 129 }, () => compareOf()) },
      "compares has 129 items with those of nested ones, more than the limit of 128",
    ],
    [
      "too many ranges, wherever they are",
      {
        compares: Array.from({ length: 20 }, () => compareOf({ key: none, prefix: key })),
        success: listOf(...Array.from({ length: 40 }, (): Operation => ({ $case: "scan", value: scan })), {
          $case: "txn",
          value: txnOf({ compares: [compareOf({ key: none, prefix: key })] }),
        }),
        failure: listOf(
          { $case: "deleteRange", value: { namespace: "", ...range, prefix: key } },
          { $case: "count", value: { ...reading, ...range } },
          { $case: "count", value: { ...reading, ...range } },
          { $case: "count", value: { ...reading, ...range } },
        ),
      },
      "the Txn holds 65 ranges with those of nested ones, more than the limit of 64",
    ],
  ])("B7: %s is INVALID_ARGUMENT and names the place", async (_, changes, message) => {
    const failure = await failureOf(txnOf(changes));
    expect(failure.message).toBe(message);
    expect(failure.reason).toBe(ErrorReason.INVALID_ARGUMENT);
  });
});

test("A21: all kinds of operations go into one command, and their results come back in order", async () => {
  const node = new FakeNode();
  const record = { key, value, createRevision: 1n, modRevision: 8n, version: 2n, leaseId: 0n };
  node.submitted = applied({
    txn: {
      succeeded: true,
      results: [
        done({ previous: record }),
        done({ deleted: 1n }),
        done({ deleted: 3n }),
        done({ value: 5n }),
        done({ record }),
        done({ record }),
        done(),
        done({ records: [record], more: true }),
        done({ count: 2n }),
        done({ txn: { succeeded: false, results: [done({ record })] } }),
      ],
    },
  });
  const request = txnOf({
    compares: [
      compareOf({ target: { $case: "modRevision", value: 7n }, operator: CompareOperator.LESS }),
      compareOf({ key: none, prefix: Buffer.from("p"), target: { $case: "value", value } }),
    ],
    success: listOf(
      putOf({ returnPrevious: true, expectedModRevision: 0n }),
      { $case: "delete", value: { namespace: "", key, returnPrevious: false } },
      { $case: "deleteRange", value: { namespace: "", ...range, prefix: key } },
      { $case: "increment", value: { namespace: "", key, delta: -2n } },
      { $case: "append", value: { namespace: "", key, value } },
      { $case: "prepend", value: { namespace: "", key, value } },
      get,
      { $case: "scan", value: scan },
      { $case: "count", value: { ...reading, ...range } },
      { $case: "txn", value: txnOf({ failure: listOf(get) }) },
    ),
  });
  const { answer } = await (await serve(node)).unary(PATH, TxnRequest.encode(request).finish());
  const response = TxnResponse.decode(answer as Buffer);
  expect(response).toMatchObject({ succeeded: true, header: { revision: 8n, term: 2n } });
  expect(response.results.map(({ result }) => result?.$case)).toEqual([
    "put",
    "delete",
    "deleteRange",
    "increment",
    "append",
    "prepend",
    "get",
    "scan",
    "count",
    "txn",
  ]);
  expect(response.results[0]?.result?.value).toMatchObject({ previous: { modRevision: 8n } });
  expect(response.results[6]?.result?.value).toMatchObject({ record: undefined });
  expect(response.results[7]?.result?.value).toMatchObject({ more: true, nextCursor: Buffer.from("\x01k") });
  expect(response.results[9]?.result?.value).toMatchObject({
    succeeded: false,
    results: [{ result: { $case: "get", value: { record: { version: 2n } } } }],
  });

  expect(node.commands).toHaveLength(1);
  const logged = node.commands[0]?.operation;
  if (logged?.$case !== "txn") throw new Error(`it is ${logged?.$case}`);
  expect(logged.value.answerBytesMax).toBe(2n * 1024n * 1024n);
  expect(logged.value.compares).toMatchObject([
    { key, operator: TxnCompareOperator.LESS, target: { $case: "modRevision", value: 7n } },
    { key: none, start: Buffer.from("p"), end: Buffer.from("q"), operator: TxnCompareOperator.EQUAL },
  ]);
  expect(logged.value.success.map(({ operation }) => operation?.$case)).toEqual([
    "put",
    "delete",
    "deleteRange",
    "increment",
    "append",
    "append",
    "get",
    "range",
    "range",
    "txn",
  ]);
});
