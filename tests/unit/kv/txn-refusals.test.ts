import { beforeEach, describe, expect, test } from "@jest/globals";
import type { TxnOperation } from "@quorate/proto/log";
import {
  encodeCommand,
  openSessionCommand,
  Refusal,
  setQuotaCommand,
  TXN_RANGE_DELETIONS_MAX,
  txnCommand,
} from "@quorate/services/kv";
import { utf8Encode } from "@quorate/services/std";
import { ANYONE, Harness, request } from "./harness";
import { expectRefused, put, refusedOf } from "./samples";
import { FAILS, nested, op, resultsOf, txn, txnDoneOf, txnOf } from "./txn-samples";

let it: Harness;

beforeEach(() => {
  it = new Harness();
});

describe("A refused operation", () => {
  beforeEach(() => {
    it.apply(put("k", "text"));
    it.apply(put("n", String(2n ** 63n - 1n)));
    it.apply(put("z", "v"));
  });

  const refusedOperations: readonly { operation: TxnOperation; refusal: Refusal; message: string }[] = [
    {
      operation: op.put("k", "v", { expected: 9n }),
      refusal: Refusal.CONDITION_FAILED,
      message: "expected_mod_revision is 9, but the key has mod_revision 1",
    },
    {
      operation: op.delete("x", { expected: 9n }),
      refusal: Refusal.CONDITION_FAILED,
      message: "expected_mod_revision is 9, but there is no such key (mod_revision 0)",
    },
    {
      operation: op.put("k", "v", { leaseId: 7n }),
      refusal: Refusal.UNKNOWN_LEASE,
      message: "there is no lease with lease_id 7",
    },
    {
      operation: op.put("k", "v", { leaseId: 2n ** 63n - 1n }),
      refusal: Refusal.UNKNOWN_LEASE,
      message: "there is no lease with lease_id 9223372036854775807",
    },
    {
      operation: op.increment("k", 1n),
      refusal: Refusal.NOT_AN_INTEGER,
      message: "the value is not the decimal text of a signed 64-bit integer",
    },
    {
      operation: op.increment("n", 1n),
      refusal: Refusal.INTEGER_OVERFLOW,
      message: "9223372036854775807 with delta 1 does not fit in a signed 64-bit integer",
    },
    {
      operation: op.append("k", "12345", 8n),
      refusal: Refusal.TOO_LARGE,
      message: "the value would be 9 bytes long, over the limit of 8 bytes for a value",
    },
    {
      operation: op.deleteRange("k", "o", 1n),
      refusal: Refusal.TOO_LARGE,
      message: "the range holds more than 1 keys, the most that one call deletes",
    },
    {
      operation: op.count("k", "o", 1n),
      refusal: Refusal.TOO_LARGE,
      message: "the range holds more than 1 keys, the most that are counted",
    },
  ];

  test.each(refusedOperations)(
    "A21: refuses the whole Txn, which changes nothing at all: $message",
    ({ operation, refusal, message }) => {
      const written = [op.put("a", "1"), op.delete("z"), op.increment("b", 1n)];
      const success = [...written, operation, op.put("c", "1")];
      expectRefused(it, txn({ success }), refusal, `success[3]: ${message}`);
      expectRefused(it, txn({ compares: [FAILS], failure: success }), refusal, `failure[3]: ${message}`);
      const within = [op.put("d", "1"), nested({ compares: [FAILS], failure: success })];
      expectRefused(it, txn({ success: within }), refusal, `success[1].failure[3]: ${message}`);
    },
  );

  test("A21: changes nothing for the commands that follow in its batch either", () => {
    const command = txn({ success: [op.put("k", "changed"), op.delete("z"), op.increment("n", 1n)] });
    const after = txn({ success: [op.get("k"), op.get("z")] });
    const [, answer] = it.applyEntries([command, after].map(encodeCommand), []);
    expect(
      txnDoneOf(answer as NonNullable<typeof answer>).results.map(({ record }) => record?.value),
    ).toEqual([utf8Encode("text"), utf8Encode("v")]);
  });

  test("A21: is answered alike when it is repeated, and still changes nothing", () => {
    it.apply(openSessionCommand(ANYONE, 60_000));
    const command = txnCommand(request(1, 1), txnOf({ success: [op.put("a", "1"), op.increment("k", 1n)] }));
    const answer = it.apply(command);
    expect(refusedOf(answer).refusal).toBe(Refusal.NOT_AN_INTEGER);
    it.apply(put("k", "1"));
    expect(it.apply(command)).toEqual(answer);
    expect(it.value("a")).toBeNull();
  });
});

describe("A quota", () => {
  beforeEach(() => {
    for (const key of ["a", "b", "c"]) it.apply(put(key, "1"));
    it.apply(setQuotaCommand(ANYONE, "default", { keysMax: 4, bytesMax: 12 }));
  });

  test("A21: is judged by what the whole Txn leaves", () => {
    resultsOf(it, op.put("d", "1"), op.put("e", "1"), op.put("f", "1"), op.delete("a"), op.delete("b"));
    expect(it.machine.namespace("")).toMatchObject({ keyCount: 4, byteCount: 8 });
  });

  test.each([
    {
      what: "keys",
      success: [op.delete("a"), op.put("d", "1"), op.put("e", "1"), op.put("f", "1")],
      message: 'namespace "default" would hold 5 keys, its quota is 4',
    },
    {
      what: "bytes",
      success: [op.put("a", "12345678"), op.append("a", "9"), op.delete("b")],
      message: 'namespace "default" would hold 12 bytes, its quota is 11',
    },
  ])("A21: refuses a Txn that leaves too many $what, which then changes nothing", ({ success, message }) => {
    it.apply(setQuotaCommand(ANYONE, "default", { keysMax: 4, bytesMax: 11 }));
    expectRefused(it, txn({ success }), Refusal.QUOTA_EXCEEDED, message);
  });
});

describe("Many keys", () => {
  test("what the ranges of one Txn delete together is bounded, and the bound is met exactly", () => {
    const keys = Array.from(
      { length: TXN_RANGE_DELETIONS_MAX + 1 },
      (_, at) => `k${String(at).padStart(5, "0")}`,
    );
    resultsOf(it, ...keys.map((key) => op.put(key, "v")));
    expectRefused(
      it,
      txn({ success: [op.deleteRange("k00000", "k00002"), op.deleteRange("", "")] }),
      Refusal.TOO_LARGE,
      "success[1]: the ranges hold more than 10000 keys, the most that those of one Txn delete together",
    );
    const results = resultsOf(
      it,
      op.delete("k09999"),
      op.deleteRange("k00000", "k05000"),
      op.deleteRange("", ""),
      op.scan("", ""),
    );
    expect(results.map(({ deleted }) => deleted)).toEqual([1n, 5_000n, 5_000n, 0n]);
    expect(it.store.contents()).toEqual([]);
    expect(it.machine.meta.revision).toBe(2);
    expect(it.store.changes).toHaveLength(2 * keys.length);
  });
});
