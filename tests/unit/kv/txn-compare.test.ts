import { beforeEach, describe, expect, test } from "@jest/globals";
import type { TxnCompare } from "@quorate/proto/log";
import {
  checkedCommand,
  grantLeaseCommand,
  Refusal,
  TXN_COUNT_MAX,
  TXN_RANGE_KEY_BYTES_MAX,
} from "@quorate/services/kv";
import { utf8Encode } from "@quorate/services/std";
import { ANYONE, Harness } from "./harness";
import { expectRefused, put } from "./samples";
import {
  compare,
  compareRange,
  EQUAL,
  FAILS,
  GREATER,
  HOLDS,
  LESS,
  NOT_EQUAL,
  op,
  toValue,
  toVersion,
  txn,
  txnDoneOf,
} from "./txn-samples";

let it: Harness;

beforeEach(() => {
  it = new Harness();
});

function holds(...compares: TxnCompare[]): boolean {
  return txnDoneOf(it.apply(txn({ compares }))).succeeded;
}

const OPERATORS = [
  { name: "=", operator: EQUAL, below: false, at: true, above: false },
  { name: "!=", operator: NOT_EQUAL, below: true, at: false, above: true },
  { name: "<", operator: LESS, below: true, at: false, above: false },
  { name: ">", operator: GREATER, below: false, at: false, above: true },
] as const;

/** The key "k" of value "m", created at revision 2, written again at 4, under lease 2. */
const PROPERTIES = [
  { property: "value", target: toValue, below: "n", at: "m", above: "lz" },
  { property: "value, which ends first", target: toValue, below: "ma", at: "m", above: "" },
  { property: "version", target: toVersion, below: 3n, at: 2n, above: 1n },
  {
    property: "create_revision",
    target: (value: bigint) => ({ $case: "createRevision" as const, value }),
    below: 3n,
    at: 2n,
    above: 1n,
  },
  {
    property: "mod_revision",
    target: (value: bigint) => ({ $case: "modRevision" as const, value }),
    below: 2n ** 63n - 1n,
    at: 4n,
    above: 0n,
  },
  {
    property: "lease_id",
    target: (value: bigint) => ({ $case: "leaseId" as const, value }),
    below: 3n,
    at: 2n,
    above: 1n,
  },
] as const;

describe("Compares of a key", () => {
  beforeEach(() => {
    it.apply(grantLeaseCommand(ANYONE, 1000));
    it.apply(grantLeaseCommand(ANYONE, 1000));
    it.apply(put("other", "x"));
    it.apply(put("k", "first"));
    it.apply(put("other", "y"));
    it.apply(put("k", "m", { leaseId: 2n }));
  });

  const cases = PROPERTIES.flatMap(({ property, target, ...targets }) =>
    OPERATORS.flatMap(({ name, operator, ...expected }) =>
      (["below", "at", "above"] as const).map((where) => ({
        what: `${property} ${where} the target ${targets[where]}`,
        name,
        target: (target as (value: unknown) => NonNullable<TxnCompare["target"]>)(targets[where]),
        operator,
        expected: expected[where],
      })),
    ),
  );

  test.each(cases)("A21: $what: $name holds: $expected", ({ target, operator, expected }) => {
    expect(holds(compare("k", operator, target))).toBe(expected);
  });

  test.each([
    { what: "version = 0", missing: compare("none", EQUAL, toVersion(0n)), expected: true },
    { what: "version > 0", missing: compare("none", GREATER, toVersion(0n)), expected: false },
    {
      what: "create_revision = 0",
      missing: compare("none", EQUAL, { $case: "createRevision", value: 0n }),
      expected: true,
    },
    {
      what: "mod_revision < 1",
      missing: compare("none", LESS, { $case: "modRevision", value: 1n }),
      expected: true,
    },
    {
      what: "lease_id != 0",
      missing: compare("none", NOT_EQUAL, { $case: "leaseId", value: 0n }),
      expected: false,
    },
    { what: "value = nothing", missing: compare("none", EQUAL, toValue("")), expected: false },
    { what: "value != something", missing: compare("none", NOT_EQUAL, toValue("x")), expected: false },
    { what: "value < something", missing: compare("none", LESS, toValue("x")), expected: false },
    { what: "value > nothing", missing: compare("none", GREATER, toValue("")), expected: false },
  ])("A21: of a missing key: $what holds: $expected", ({ missing, expected }) => {
    expect(holds(missing)).toBe(expected);
  });

  test("A21: all must hold; none at all hold", () => {
    expect(holds()).toBe(true);
    expect(holds(HOLDS, compare("k", EQUAL, toVersion(2n)))).toBe(true);
    expect(holds(HOLDS, FAILS)).toBe(false);
    expect(holds(FAILS, HOLDS)).toBe(false);
  });

  test("A21: of a deleted key are those of a missing one", () => {
    it.apply(txn({ success: [op.delete("k")] }));
    expect(holds(compare("k", EQUAL, toVersion(0n)))).toBe(true);
    expect(holds(compare("k", NOT_EQUAL, toValue("m")))).toBe(false);
  });

  test("need the value of the key only to compare it", () => {
    const reads = it.machine.reads(
      checkedCommand(
        txn({ compares: [compare("a", EQUAL, toValue("x")), compare("b", EQUAL, toVersion(1n))] }),
      ),
    );
    expect(reads).toEqual({
      keys: [
        { namespaceId: 1, generation: 1, key: utf8Encode("a"), withValue: true },
        { namespaceId: 1, generation: 1, key: utf8Encode("b"), withValue: false },
      ],
      ranges: [],
      startsBatch: false,
      endsBatch: false,
    });
  });
});

describe("Compares of a range", () => {
  beforeEach(() => {
    for (const [key, value] of [
      ["a", "1"],
      ["b", "2"],
      ["b", "3"],
      ["c", "3"],
    ] as const) {
      it.apply(put(key, value));
    }
  });

  test.each([
    { what: "one key", range: compareRange("a", "b", EQUAL, toVersion(1n)), expected: true },
    { what: "the end is not within", range: compareRange("b", "c", EQUAL, toVersion(2n)), expected: true },
    { what: "one key of three differs", range: compareRange("", "", EQUAL, toVersion(1n)), expected: false },
    { what: "each key", range: compareRange("", "", GREATER, toVersion(0n)), expected: true },
    { what: "values, all", range: compareRange("b", "", EQUAL, toValue("3")), expected: true },
    { what: "values, not all", range: compareRange("", "", EQUAL, toValue("3")), expected: false },
    { what: "values, none", range: compareRange("", "", NOT_EQUAL, toValue("9")), expected: true },
    {
      what: "nothing was written since",
      range: compareRange("", "", LESS, { $case: "modRevision", value: 5n }),
      expected: true,
    },
    { what: "no keys", range: compareRange("x", "z", EQUAL, toVersion(7n)), expected: true },
    { what: "no keys, by value", range: compareRange("x", "", EQUAL, toValue("7")), expected: true },
    { what: "an end before the start", range: compareRange("c", "a", EQUAL, toVersion(7n)), expected: true },
  ])("A21: $what: holds: $expected", ({ range, expected }) => {
    expect(holds(range)).toBe(expected);
  });

  test("are declared, with values where they are compared, and begin a batch", () => {
    const bounds = { namespaceId: 1, generation: 1, start: utf8Encode("a"), end: null, limit: 10_001 };
    const reads = it.machine.reads(
      checkedCommand(
        txn({
          compares: [
            compareRange("a", "", EQUAL, toValue("x")),
            compareRange("c", "b", EQUAL, toValue("no key is in it")),
            compareRange("a", "", EQUAL, toVersion(1n)),
          ],
          answerBytesMax: 500n,
        }),
      ),
    );
    // The range that no key can be in counts too.
    const keyBytesMax = Math.floor(TXN_RANGE_KEY_BYTES_MAX / 3);
    expect(reads).toEqual({
      keys: [],
      ranges: [
        { ...bounds, keyBytesMax, withValues: true, valueBytesMax: 500 },
        { ...bounds, keyBytesMax, withValues: false, valueBytesMax: 0 },
      ],
      startsBatch: true,
      endsBatch: false,
    });
  });

  test("are refused where the values are more than an answer may hold, whatever they are", () => {
    const compares = [HOLDS, compareRange("", "", NOT_EQUAL, toValue("1"))];
    expect(holds(...compares)).toBe(false);
    expectRefused(
      it,
      txn({ compares, answerBytesMax: 2n }),
      Refusal.TOO_LARGE,
      "compares[1]: the values of the range are longer than 2 bytes, the limit for an answer",
    );
  });

  test("are refused where there are more keys than one compare looks at", () => {
    const keys = Array.from({ length: TXN_COUNT_MAX - 3 }, (_, at) => String(at));
    for (let at = 0; at < keys.length; at += 1_000) {
      it.apply(txn({ success: keys.slice(at, at + 1_000).map((key) => op.put(key, "v")) }));
    }
    const range = compareRange("", "", GREATER, toVersion(0n));
    expect(holds(range)).toBe(true);
    it.apply(put("one more", "v"));
    expectRefused(
      it,
      txn({ compares: [range] }),
      Refusal.TOO_LARGE,
      "compares[0]: the range holds more than 10000 keys, the most that one compare looks at",
    );
  });
});
