import { beforeEach, describe, expect, test } from "@jest/globals";
import type { TxnOperation } from "@quorate/proto/log";
import {
  type Answer,
  type Command,
  checkedCommand,
  createNamespaceCommand,
  type Done,
  encodeCommand,
  RANGE_RECORD_OVERHEAD_BYTES,
  Refusal,
  TXN_RANGE_KEY_BYTES_MAX,
  TXN_RANGES_MAX,
  truncateCommand,
  txnCommand,
} from "@quorate/services/kv";
import { utf8Decode } from "@quorate/services/std";
import { ANYONE, Harness } from "./harness";
import { expectRefused, put } from "./samples";
import {
  compare,
  compareRange,
  EQUAL,
  nested,
  op,
  type TxnParts,
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

/** Records as "key=value", keys alone where the values are left out; then "..." where there are more. */
function textOf(result: Done | undefined): string {
  const records = (result?.records ?? []).map(({ key, value }) =>
    value.length === 0 ? utf8Decode(key) : `${utf8Decode(key)}=${utf8Decode(value)}`,
  );
  return [...records, ...(result?.more ? ["..."] : [])].join(" ");
}

function lastOf(...success: TxnOperation[]): Done | undefined {
  return txnDoneOf(it.apply(txn({ success }))).results.at(-1);
}

describe("A range in a Txn", () => {
  beforeEach(() => {
    for (const key of ["b", "d", "f", "h"]) it.apply(put(key, `${key}1`));
  });

  const seen: readonly { what: string; success: readonly TxnOperation[]; text: string }[] = [
    { what: "all keys", success: [op.scan("", "")], text: "b=b1 d=d1 f=f1 h=h1" },
    { what: "from start to before end", success: [op.scan("d", "h")], text: "d=d1 f=f1" },
    { what: "keys only", success: [op.keys("d", "")], text: "d f h" },
    { what: "no keys", success: [op.scan("x", "")], text: "" },
    { what: "an end before the start", success: [op.scan("h", "b")], text: "" },
    { what: "a limit", success: [op.scan("", "", 2n)], text: "b=b1 d=d1 ..." },
    { what: "a limit that is met exactly", success: [op.scan("", "", 4n)], text: "b=b1 d=d1 f=f1 h=h1" },
    {
      what: "new keys, in their places",
      success: [op.put("i", "2"), op.put("a", "2"), op.put("e", "2"), op.scan("", "")],
      text: "a=2 b=b1 d=d1 e=2 f=f1 h=h1 i=2",
    },
    { what: "a changed key", success: [op.put("d", "2"), op.scan("", "e")], text: "b=b1 d=2" },
    { what: "a changed key, keys only", success: [op.put("d", "2"), op.keys("", "e")], text: "b d" },
    {
      what: "a new key within a limit",
      success: [op.put("c", "2"), op.scan("", "", 2n)],
      text: "b=b1 c=2 ...",
    },
    {
      what: "a new key behind a limit",
      success: [op.put("g", "2"), op.scan("", "", 2n)],
      text: "b=b1 d=d1 ...",
    },
    {
      what: "room made by deleted keys",
      success: [op.delete("b"), op.delete("d"), op.scan("", "", 1n)],
      text: "f=f1 ...",
    },
    {
      what: "room made by a deleted range",
      success: [op.deleteRange("", "e", 2n), op.scan("", "", 2n)],
      text: "f=f1 h=h1",
    },
    {
      what: "room made by a nested Txn",
      success: [
        nested({
          compares: [compare("b", EQUAL, toVersion(7n))],
          failure: [op.delete("b"), op.deleteRange("d", "g", 2n)],
        }),
        op.put("z", "2"),
        op.scan("", "", 2n),
      ],
      text: "h=h1 z=2",
    },
    {
      what: "a key that came and went",
      success: [op.put("c", "2"), op.delete("c"), op.delete("d"), op.put("d", "2"), op.scan("", "e")],
      text: "b=b1 d=2",
    },
  ];

  test.each(seen)("A21: holds what the Txn sees: $what", ({ success, text }) => {
    expect(textOf(lastOf(...success))).toBe(text);
  });

  const counted: readonly { what: string; success: readonly TxnOperation[]; count: bigint }[] = [
    { what: "all keys", success: [op.count("", "")], count: 4n },
    { what: "some", success: [op.count("c", "g")], count: 2n },
    { what: "none", success: [op.count("g", "c")], count: 0n },
    { what: "as many as may be", success: [op.count("", "", 4n)], count: 4n },
    {
      what: "what the Txn sees",
      success: [op.delete("b"), op.put("a", ""), op.put("c", ""), op.count("", "")],
      count: 5n,
    },
  ];

  test.each(counted)("A21: is counted: $what", ({ success, count }) => {
    expect(lastOf(...success)).toMatchObject({ count, records: [], more: false });
  });

  test.each([
    { what: "too many", success: [op.deleteRange("", "h", 2n)], deleted: null },
    {
      what: "too many, of them a new one",
      success: [op.put("c", "2"), op.deleteRange("", "h", 3n)],
      deleted: null,
    },
    { what: "as many as may be", success: [op.put("c", "2"), op.deleteRange("", "h", 4n)], deleted: 4n },
    {
      what: "not those that went before",
      success: [op.delete("b"), op.deleteRange("", "h", 2n)],
      deleted: 2n,
    },
    { what: "an end before the start", success: [op.deleteRange("h", "a", 0n)], deleted: 0n },
  ])("A21: is deleted: $what", ({ success, deleted }) => {
    const { result } = it.apply(txn({ success }));
    expect(result?.$case === "done" ? result.value.txn?.results.at(-1)?.deleted : null).toBe(deleted);
  });

  test("A21: of a nested compare is as the outer operations left it", () => {
    const compares = [compareRange("", "", EQUAL, toVersion(1n))];
    const { results } = txnDoneOf(
      it.apply(
        txn({
          compares,
          success: [
            nested({ compares }),
            op.put("c", "new"),
            nested({ compares }),
            op.put("d", "changed"),
            nested({ compares }),
            op.delete("d"),
            nested({ compares }),
          ],
        }),
      ),
    );
    expect(results.flatMap((result) => result.txn?.succeeded ?? [])).toEqual([true, true, false, true]);
  });

  test("reads one record more than its limit, and as many as may be deleted before it", () => {
    const limits = (command: Command) =>
      it.machine.reads(checkedCommand(command)).ranges.map(({ limit }) => limit);
    const success = [
      op.scan("", "", 5n),
      op.delete("b"),
      op.scan("", "", 5n),
      nested({
        success: [op.delete("d"), op.delete("f"), op.count("", "", 7n)],
        failure: [op.deleteRange("", "", 3n), op.scan("", "", 5n)],
      }),
      op.scan("", "", 5n),
      op.deleteRange("", "", 20_000n),
      op.keys("", "", 5n),
      op.deleteRange("", "", 20_000n),
      op.scan("", "", 5n),
    ];
    expect(limits(txn({ success }))).toEqual([
      5 + 1,
      5 + 1 + 1,
      7 + 1 + 3,
      3 + 1 + 1,
      5 + 1 + 1 + 3,
      5 + 1 + 3 + 3,
      // What ranges delete together is bounded, whatever each may delete.
      10_000 + 1 + 3 + 3,
      5 + 1 + 3 + 10_000,
      10_000 + 1 + 3 + 10_000,
      5 + 1 + 3 + 10_000,
    ]);
  });

  test.each([
    { what: "created", commands: [createNamespaceCommand(ANYONE, "own")], namespace: "own" },
    { what: "emptied", commands: [truncateCommand(ANYONE)], namespace: "" },
  ])("A21: is the same in a namespace that was $what in the same batch", ({ commands, namespace }) => {
    const source = { ...ANYONE, namespace };
    const list = [
      put("a", "gone"),
      ...commands,
      txnCommand(source, txnOf({ success: ["a", "b", "c"].map((key) => op.put(key, "12")) })),
      txnCommand(source, txnOf({ success: [op.delete("a"), op.put("d", "3"), op.scan("", "", 2n)] })),
      txnCommand(source, txnOf({ success: [op.delete("b"), op.scan("", "")], answerBytesMax: 1n })),
      txnCommand(source, txnOf({ success: [op.deleteRange("", "", 3n), op.count("", "")] })),
    ].map(encodeCommand);
    const answers = new Harness().applyEntries(list, []);
    expect(new Harness().applyEntries(list, [1])).toEqual(answers);
    expect(answers.map(({ result }) => result?.$case)).toEqual([
      "done",
      "done",
      "done",
      "done",
      "refused",
      "done",
    ]);
    expect(textOf(txnDoneOf(answers[3] as Answer).results[2])).toBe("b=12 c=12 ...");
  });
});

describe("How long an answer may be", () => {
  beforeEach(() => {
    it.apply(put("a", "12345"));
    it.apply(put("b", "123"));
  });

  const long: readonly { what: string; success: readonly TxnOperation[]; bytes: bigint }[] = [
    { what: "a record", success: [op.get("a")], bytes: 70n },
    { what: "one that was replaced", success: [op.put("b", "9", { previous: true })], bytes: 68n },
    { what: "one that was deleted", success: [op.delete("b", { previous: true })], bytes: 68n },
    { what: "one that was appended to", success: [op.append("b", "45")], bytes: 70n },
    { what: "a range", success: [op.scan("", "")], bytes: 138n },
    { what: "a range without values", success: [op.keys("", "")], bytes: 130n },
    { what: "all together", success: [op.get("a"), nested({ success: [op.scan("", "")] })], bytes: 208n },
    {
      what: "numbers are not counted",
      success: [op.put("c", "1"), op.count("", ""), op.get("x")],
      bytes: 0n,
    },
  ];

  test.each(long)("A21: is counted in keys, values and 64 bytes a record: $what", ({ success, bytes }) => {
    const answered = (answerBytesMax: bigint) =>
      new Harness().applyEntries(
        [put("a", "12345"), put("b", "123"), txn({ success: [...success], answerBytesMax })].map(
          encodeCommand,
        ),
        [],
      )[2]?.result?.$case;
    expect(answered(bytes)).toBe("done");
    expect(answered(bytes - 1n)).toBe("refused");
  });

  test("A21: refuses a Txn that would answer with more, which then changes nothing", () => {
    const success = [op.put("c", "1"), op.delete("a"), op.get("b")];
    const message = "success[2]: the answer would be longer than 67 bytes, the limit for an answer";
    expectRefused(it, txn({ success, answerBytesMax: 67n }), Refusal.TOO_LARGE, message);
  });

  test.each([
    { what: "keys behind are needed", success: [op.delete("a"), op.scan("", "")] },
    {
      what: "a new key cannot stand for them",
      success: [op.delete("a"), op.put("z", ""), op.scan("", "", 1n)],
    },
    {
      what: "nor can two, for a limit of one",
      success: [op.delete("a"), op.put("y", ""), op.put("z", ""), op.scan("", "", 1n)],
    },
  ])("A21: bounds what is read of a range, and so refuses where $what", ({ success }) => {
    expectRefused(
      it,
      txn({ success, answerBytesMax: 4n }),
      Refusal.TOO_LARGE,
      `success[${success.length - 1}]: the values of the range are longer than 4 bytes, the limit for an answer`,
    );
  });

  test("A21: lets a range be read no further than is needed", () => {
    const { results } = txnDoneOf(
      it.apply(
        txn({ success: [op.put("a", ""), op.put("A", ""), op.scan("", "", 1n)], answerBytesMax: 65n }),
      ),
    );
    expect(textOf(results[2])).toBe("A ...");
  });
});

describe("What the ranges of a Txn may read together", () => {
  const KEY_BYTES = 4_096;
  const share = TXN_RANGE_KEY_BYTES_MAX / TXN_RANGES_MAX;
  // The one that passes the bound is read as well.
  const readable = Math.ceil((share + 1) / (KEY_BYTES + RANGE_RECORD_OVERHEAD_BYTES));
  const message = "the keys of the range are more or longer than one of so many ranges may hold";
  const others = Array.from({ length: TXN_RANGES_MAX - 1 }, () => op.count("x", ""));
  const create = createNamespaceCommand(ANYONE, "own");
  const longKeys = (count: number) => {
    const keys = Array.from({ length: count }, (_, at) => op.put(`${at}`.padStart(KEY_BYTES, "0"), ""));
    const halves = [keys.slice(0, count / 2), keys.slice(count / 2)];
    return halves.map((success) => txnCommand({ ...ANYONE, namespace: "own" }, txnOf({ success })));
  };
  const last = (count: number, operation: TxnOperation, sizes: readonly number[], parts: TxnParts = {}) => {
    const success = [operation, ...others];
    const command = txnCommand({ ...ANYONE, namespace: "own" }, txnOf({ success, ...parts }));
    return new Harness().applyEntries([create, ...longKeys(count), command].map(encodeCommand), sizes).at(-1);
  };

  test.each([
    { what: "counted", operation: op.count("", "") },
    { what: "deleted", operation: op.deleteRange("", "") },
    { what: "scanned", operation: op.keys("", "") },
  ])("is bounded, so that none is the end of every replica: keys that are $what", ({ operation }) => {
    for (const sizes of [[1], []]) {
      expect(last(readable - 1, operation, sizes)?.result?.$case).toBe("done");
      expect(last(readable, operation, sizes)?.result).toMatchObject({
        $case: "refused",
        value: { refusal: Refusal.TOO_LARGE, message: `success[0]: ${message}` },
      });
    }
  });

  test("is bounded for compares too", () => {
    const compares = [compareRange("", "x", EQUAL, toVersion(1n))];
    const parts = { compares, success: others };
    expect(last(readable - 1, op.get("k"), [1], parts)?.result?.$case).toBe("done");
    expect(last(readable, op.get("k"), [1], parts)?.result).toMatchObject({
      value: { message: `compares[0]: ${message}` },
    });
  });

  test("is enough for as much as one range may delete or count, however long the keys", () => {
    const [range] = it.machine.reads(checkedCommand(txn({ success: [op.count("", "")] }))).ranges;
    expect(range?.keyBytesMax).toBeGreaterThan(10_001 * (KEY_BYTES + RANGE_RECORD_OVERHEAD_BYTES));
  });
});

describe("How many ranges a Txn may hold", () => {
  const ranges = (count: number) => Array.from({ length: count }, () => op.count("", ""));
  const compares = [compareRange("", "", EQUAL, toVersion(1n)), compare("k", EQUAL, toValue("1"))];

  test("as many as may be, wherever they are", () => {
    const success = [op.deleteRange("", ""), nested({ compares, success: ranges(20), failure: ranges(20) })];
    const failure = ranges(TXN_RANGES_MAX - 1 - 1 - 1 - 40);
    expect(txnDoneOf(it.apply(txn({ compares, success, failure }))).succeeded).toBe(false);
    const message = "the Txn holds 65 ranges, the limit is 64";
    expectRefused(
      it,
      txn({ compares, success, failure: [...failure, op.scan("", "")] }),
      Refusal.UNKNOWN_COMMAND,
      message,
    );
  });
});
