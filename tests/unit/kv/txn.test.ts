import { beforeEach, describe, expect, test } from "@jest/globals";
import type { TxnOperation } from "@quorate/proto/log";
import {
  type Change,
  type Command,
  checkedCommand,
  type Done,
  openSessionCommand,
  txnCommand,
} from "@quorate/services/kv";
import { utf8Decode, utf8Encode } from "@quorate/services/std";
import { ANYONE, Harness, request } from "./harness";
import { naiveDone } from "./naive-txn";
import { put } from "./samples";
import {
  compare,
  EQUAL,
  FAILS,
  HOLDS,
  nested,
  op,
  resultsOf,
  toValue,
  toVersion,
  txn,
  txnDoneOf,
  txnOf,
} from "./txn-samples";

let it: Harness;

beforeEach(() => {
  it = new Harness();
});

/** A key's record as [value, createRevision, modRevision, version]. */
function recordOf(key: string): unknown {
  const record = it.get(key);
  if (record === null) return null;
  return [utf8Decode(record.value), record.createRevision, record.modRevision, record.version];
}

function keysOf(result: Done | undefined): unknown[] {
  return (result?.records ?? []).map(({ key }) => utf8Decode(key));
}

/** The changes as [kind, key, ordinal], all of one revision. */
function changesAt(revision: number): unknown {
  const text = (change: Change) => {
    if (change.kind === "truncate") return "";
    return utf8Decode(change.kind === "put" ? change.record.key : change.key);
  };
  return it.store.changes
    .filter((change) => change.revision === revision)
    .map((change) => [change.kind, text(change), change.ordinal]);
}

describe("The branches of a Txn", () => {
  const branches = { success: [op.put("k", "success")], failure: [op.put("k", "failure")] };

  test("A21: all compares hold: success", () => {
    expect(txnDoneOf(it.apply(txn({ compares: [HOLDS], ...branches }))).succeeded).toBe(true);
    expect(it.value("k")).toBe("success");
  });

  test("A21: one compare does not hold: failure", () => {
    expect(txnDoneOf(it.apply(txn({ compares: [HOLDS, FAILS], ...branches }))).succeeded).toBe(false);
    expect(it.value("k")).toBe("failure");
  });

  test("A21: an empty branch changes nothing, and the revision stays", () => {
    it.apply(put("k", "v"));
    const answer = it.apply(txn({ compares: [FAILS], success: [op.put("k", "w")] }));
    expect(answer.revision).toBe(1n);
    expect(txnDoneOf(answer)).toEqual({ succeeded: false, results: [] });
    expect(it.value("k")).toBe("v");
  });

  test("A21: what both may need is declared, and what is in the branch not taken does nothing", () => {
    const command = txn({
      compares: [FAILS],
      success: [op.put("a", "1"), op.delete("b", { previous: true })],
      failure: [op.get("c"), nested({ success: [op.increment("d", 1n)], failure: [op.append("e", "x")] })],
    });
    const { keys, startsBatch } = it.machine.reads(checkedCommand(command));
    expect(keys.map(({ key, withValue }) => [utf8Decode(key), withValue])).toEqual([
      ["no such key", false],
      ["a", false],
      ["b", true],
      ["c", true],
      ["d", true],
      ["e", true],
    ]);
    expect(startsBatch).toBe(false);
    it.apply(command);
    expect(it.store.contents().map(({ key }) => utf8Decode(key))).toEqual(["d"]);
  });
});

describe("The operations of a Txn", () => {
  test("A21: each kind answers as it does alone, in order", () => {
    it.apply(put("k", "old"));
    it.apply(put("n", "41"));
    const record = { createRevision: 1n, modRevision: 1n, version: 1n, leaseId: 0n };
    const old = { key: utf8Encode("k"), value: utf8Encode("old"), ...record };
    const now = { key: utf8Encode("k"), value: utf8Encode("<new>"), ...record, modRevision: 3n, version: 2n };
    const nothing = naiveDone({});
    expect(
      resultsOf(
        it,
        op.get("k"),
        op.put("k", "new", { previous: true }),
        op.append("k", ">"),
        op.prepend("k", "<"),
        op.get("k"),
        op.increment("n", 1n),
        op.get("none"),
        op.delete("none"),
        op.scan("k", "l"),
        op.keys("k", "l"),
        op.count("", ""),
        op.delete("k", { previous: true }),
        op.get("k"),
        op.deleteRange("", ""),
        op.count("", ""),
      ),
    ).toEqual([
      { ...nothing, record: old },
      { ...nothing, previous: old },
      { ...nothing, record: { ...now, value: utf8Encode("new>") } },
      { ...nothing, record: now },
      { ...nothing, record: now },
      { ...nothing, value: 42n },
      nothing,
      nothing,
      { ...nothing, records: [now] },
      { ...nothing, records: [{ ...now, value: new Uint8Array() }] },
      { ...nothing, count: 2n },
      { ...nothing, deleted: 1n, previous: now },
      nothing,
      { ...nothing, deleted: 1n },
      nothing,
    ]);
    expect(it.store.contents()).toEqual([]);
  });

  test("A21: a nested one sees what came before it, and what comes after sees what it did", () => {
    const results = resultsOf(
      it,
      op.put("k", "1"),
      nested({
        compares: [compare("k", EQUAL, toValue("1"))],
        success: [op.put("k", "2"), op.get("k")],
        failure: [op.put("k", "wrong")],
      }),
      nested({
        compares: [compare("k", EQUAL, toValue("1"))],
        success: [op.put("k", "wrong")],
        failure: [op.append("k", "3")],
      }),
      op.get("k"),
    );
    expect(results.map((result) => result.txn?.succeeded)).toEqual([undefined, true, false, undefined]);
    expect(utf8Decode(results[1]?.txn?.results[1]?.record?.value as Uint8Array)).toBe("2");
    expect(utf8Decode(results[3]?.record?.value as Uint8Array)).toBe("23");
    expect(recordOf("k")).toEqual(["23", 1, 1, 1]);
  });

  test("A21: 128 operations have one revision, and come in order", () => {
    const keys = Array.from({ length: 128 }, (_, at) => `k${String(at).padStart(3, "0")}`);
    const answer = it.apply(txn({ success: keys.map((key) => op.put(key, key)) }));
    expect(answer.revision).toBe(1n);
    expect(txnDoneOf(answer).results).toHaveLength(128);
    expect(changesAt(1)).toEqual(keys.map((key, at) => ["put", key, at]));
    expect(it.store.contents().map((record) => record.modRevision)).toEqual(keys.map(() => 1));
    expect(it.machine.namespace("")).toMatchObject({ keyCount: 128, byteCount: 128 * 8 });
  });

  test("A21: changes say that a Txn made them, for which call and when", () => {
    it.apply(openSessionCommand(ANYONE, 60_000));
    const source = { ...request(1, 2), wallTimeMs: 5 };
    it.apply(txnCommand(source, txnOf({ success: [op.put("a", "1"), op.append("b", "2")] })));
    const origin = { cause: "txn", wallTimeMs: 5, requestId: { clientId: 1, sequence: 2 } };
    expect(it.store.changes.map((change) => change.origin)).toEqual([origin, origin]);
  });

  test("A21: one with a request id is carried out once, and its copy is answered alike", () => {
    it.apply(openSessionCommand(ANYONE, 60_000));
    const command = txnCommand(
      request(1, 1),
      txnOf({
        compares: [compare("n", EQUAL, toVersion(0n))],
        success: [op.increment("n", 5n), op.scan("", "")],
        failure: [op.put("n", "wrong")],
      }),
    );
    const answer = it.apply(command);
    it.restart();
    expect(it.apply(command)).toEqual(answer);
    expect(txnDoneOf(answer).results.map((result) => [result.value, keysOf(result)])).toEqual([
      [5n, []],
      [0n, ["n"]],
    ]);
    expect(recordOf("n")).toEqual(["5", 1, 1, 1]);
  });
});

describe("A key that a Txn touches more than once", () => {
  const changedTwice: readonly {
    what: string;
    before: readonly Command[];
    success: readonly TxnOperation[];
    record: unknown;
    changes: unknown;
  }[] = [
    {
      what: "put over put of a new key: one record of version 1",
      before: [],
      success: [op.put("k", "1"), op.put("k", "2")],
      record: ["2", 1, 1, 1],
      changes: [["put", "k", 0]],
    },
    {
      what: "put over put of a known key: one version more",
      before: [put("k", "0")],
      success: [op.put("k", "1"), op.append("k", "2"), op.put("k", "3")],
      record: ["3", 1, 2, 2],
      changes: [["put", "k", 0]],
    },
    {
      what: "put, then delete of a new key: nothing",
      before: [put("other", "0")],
      success: [op.put("k", "1"), op.delete("k")],
      record: null,
      changes: [],
    },
    {
      what: "put, then delete of a known key: deleted",
      before: [put("k", "0")],
      success: [op.put("k", "1"), op.deleteRange("k", "l")],
      record: null,
      changes: [["delete", "k", 0]],
    },
    {
      what: "delete, then put: a new life, told as one put",
      before: [put("k", "0"), put("k", "0")],
      success: [op.delete("k"), op.put("k", "1"), op.append("k", "2")],
      record: ["12", 3, 3, 1],
      changes: [["put", "k", 0]],
    },
    {
      what: "in the order in which the keys were first touched",
      before: [put("b", "0")],
      success: [op.put("c", "1"), op.delete("b"), op.put("a", "1"), op.put("c", "2")],
      record: null,
      changes: [
        ["put", "c", 0],
        ["delete", "b", 1],
        ["put", "a", 2],
      ],
    },
    {
      what: "what comes to nothing takes no ordinal",
      before: [],
      success: [op.put("a", "1"), op.put("k", "1"), op.put("c", "1"), op.delete("k")],
      record: null,
      changes: [
        ["put", "a", 0],
        ["put", "c", 1],
      ],
    },
  ];

  test.each(changedTwice)("A21: $what", ({ before, success, record, changes }) => {
    for (const command of before) it.apply(command);
    it.apply(txn({ success: [...success] }));
    expect(recordOf("k")).toEqual(record);
    expect(changesAt(before.length + 1)).toEqual(changes);
    const contents = it.store.contents();
    expect(it.machine.namespace("")).toMatchObject({
      keyCount: contents.length,
      byteCount: contents.reduce((sum, { key, valueBytes }) => sum + key.length + valueBytes, 0),
    });
  });

  test("A21: put and delete of a new key is no write: no revision, and nothing to store", () => {
    it.apply(put("other", "0"));
    const before = it.machine.resident();
    const answer = it.apply(txn({ success: [op.put("k", "1"), op.get("k"), op.delete("k")] }));
    expect(answer.revision).toBe(1n);
    expect(it.machine.resident()).toEqual(before);
    expect(it.store.changes).toHaveLength(1);
  });
});
