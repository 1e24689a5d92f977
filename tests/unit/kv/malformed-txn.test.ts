import { beforeEach, describe, expect, test } from "@jest/globals";
import type { TxnCompareOperator, TxnOperation } from "@quorate/proto/log";
import { checkedCommand, Refusal } from "@quorate/services/kv";
import { utf8Encode } from "@quorate/services/std";
import { Harness } from "./harness";
import { expectRefused, put } from "./samples";
import {
  compare,
  compareRange,
  EQUAL,
  HOLDS,
  nested,
  op,
  type TxnParts,
  toVersion,
  txn,
} from "./txn-samples";

let it: Harness;

beforeEach(() => {
  it = new Harness();
  it.apply(put("k", "v"));
});

const ofNoKind: TxnOperation = { operation: undefined };
const target = toVersion(1n);
const unknownOperator = 9 as TxnCompareOperator;

const malformed: readonly { parts: TxnParts; message: string }[] = [
  { parts: { success: [op.put("", "v")] }, message: "success[0]: key is empty" },
  { parts: { failure: [op.get("k"), op.get("")] }, message: "failure[1]: key is empty" },
  { parts: { success: [op.delete("")] }, message: "success[0]: key is empty" },
  { parts: { success: [op.increment("", 1n)] }, message: "success[0]: key is empty" },
  { parts: { success: [op.append("", "v")] }, message: "success[0]: key is empty" },
  {
    parts: { success: [op.append("k", "v", -1n)] },
    message: "success[0]: value_bytes_max is -1, not in 0 to 9007199254740991",
  },
  {
    parts: { success: [op.deleteRange("k", "", -1n)] },
    message: "success[0]: keys_max is -1, not in 0 to 9007199254740990",
  },
  { parts: { success: [op.scan("", "", 0n)] }, message: "success[0]: limit is 0, not in 1 to 1000" },
  { parts: { success: [op.keys("", "", 1_001n)] }, message: "success[0]: limit is 1001, not in 1 to 1000" },
  {
    parts: { success: [op.count("", "", 10_001n)] },
    message: "success[0]: limit is 10001, not in 1 to 10000",
  },
  {
    parts: { success: [ofNoKind] },
    message: "success[0]: the operation is of no kind that this version knows",
  },
  {
    parts: { success: [op.get("k"), nested({ failure: [op.get("k"), nested({})] })] },
    message: "success[1].failure[1]: a Txn within a Txn holds no further one",
  },
  {
    parts: { failure: [nested({ success: [op.put("", "v")] })] },
    message: "failure[0].success[0]: key is empty",
  },
  {
    parts: { success: [nested({ compares: [HOLDS, compare("k", unknownOperator, target)] })] },
    message: "success[0].compares[1]: operator has the unknown value 9",
  },
  {
    parts: { compares: [compare("k", 0, target)] },
    message: "compares[0]: operator has the unknown value 0",
  },
  {
    parts: { compares: [{ ...compare("k", EQUAL, target), target: undefined }] },
    message: "compares[0]: the compare names no target that this version knows",
  },
  {
    parts: { compares: [HOLDS, { ...compareRange("a", "", EQUAL, target), key: utf8Encode("k") }] },
    message: "compares[1]: a compare has a key or a range, not both",
  },
  {
    parts: { compares: [{ ...compareRange("", "b", EQUAL, target), key: utf8Encode("k") }] },
    message: "compares[0]: a compare has a key or a range, not both",
  },
  {
    parts: { answerBytesMax: -1n },
    message: "answer_bytes_max is -1, not in 0 to 9007199254740991",
  },
];

describe("A malformed Txn", () => {
  test.each(malformed)("is refused alike by each machine, whatever branch it would take: $message", (one) => {
    const command = txn({ ...one.parts });
    expect(it.machine.reads(checkedCommand(command))).toEqual({
      keys: [],
      ranges: [],
      startsBatch: false,
      endsBatch: false,
    });
    expectRefused(it, command, Refusal.UNKNOWN_COMMAND, one.message);
  });

  test("the limit of the answer of a nested one is not looked at", () => {
    it.apply(txn({ success: [nested({ success: [op.put("a", "1"), op.get("a")], answerBytesMax: -1n })] }));
    expect(it.value("a")).toBe("1");
  });

  test("one whose request id is malformed is refused", () => {
    const command = {
      ...txn({ success: [op.put("a", "1")] }),
      requestId: { clientId: 0n, sequence: 1n, firstUnanswered: 1n },
    };
    const message = "client_id is 0, not in 1 to 9007199254740991";
    expectRefused(it, command, Refusal.UNKNOWN_COMMAND, message);
  });
});
