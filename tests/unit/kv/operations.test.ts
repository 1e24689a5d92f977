import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  type Command,
  checkedCommand,
  deleteRangeCommand,
  incrementCommand,
  openSessionCommand,
  prefixRange,
  Refusal,
  truncateCommand,
} from "@quorate/services/kv";
import { utf8Decode, utf8Encode } from "@quorate/services/std";
import { ANYONE, Harness } from "./harness";
import {
  append,
  doneOf,
  expectRefused,
  increment,
  prepend,
  put,
  refusedOf,
  remove,
  removeRange,
} from "./samples";

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

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

/** Keys and bytes as the namespace counts them. */
function counted(): unknown {
  const { keyCount, byteCount } = it.machine.namespace("") ?? {};
  return { keyCount, byteCount };
}

describe("Put", () => {
  test("creates a record at the next revision", () => {
    expect(it.apply(put("k", "v"))).toMatchObject({ revision: 1n });
    expect(recordOf("k")).toEqual(["v", 1, 1, 1]);
    expect(counted()).toEqual({ keyCount: 1, byteCount: 2 });
  });

  test("A3: overwriting keeps the creation, counts the version, and the revision strictly rises", () => {
    it.apply(put("k", "one"));
    it.apply(put("other", "x"));
    expect(it.apply(put("k", "three")).revision).toBe(3n);
    expect(recordOf("k")).toEqual(["three", 1, 3, 2]);
    expect(it.apply(put("k", "three")).revision).toBe(4n);
    expect(recordOf("k")).toEqual(["three", 1, 4, 3]);
    expect(counted()).toEqual({ keyCount: 2, byteCount: 1 + 5 + 5 + 1 });
  });

  test("a key that was deleted begins a new life", () => {
    it.apply(put("k", "v"));
    it.apply(remove("k"));
    it.apply(put("k", "w"));
    expect(recordOf("k")).toEqual(["w", 3, 3, 1]);
  });

  test("returns the previous record when asked, and none where there was none", () => {
    expect(doneOf(it.apply(put("k", "one", { returnPrevious: true }))).previous).toBeUndefined();
    expect(doneOf(it.apply(put("k", "two", { returnPrevious: true }))).previous).toEqual({
      key: utf8Encode("k"),
      value: utf8Encode("one"),
      createRevision: 1n,
      modRevision: 1n,
      version: 1n,
      leaseId: 0n,
    });
    expect(doneOf(it.apply(put("k", "three"))).previous).toBeUndefined();
  });

  test("an empty value is a value, and an empty key is refused", () => {
    it.apply(put("k", ""));
    expect(recordOf("k")).toEqual(["", 1, 1, 1]);
    expectRefused(it, put("", "v"), Refusal.UNKNOWN_COMMAND, "key is empty");
  });

  test.each([
    { what: "equal to mod_revision", setUp: [put("k", "v"), put("k", "w")], expected: 2n },
    { what: "0 for a key that never was", setUp: [], expected: 0n },
    { what: "0 for a key that was deleted", setUp: [put("k", "v"), remove("k")], expected: 0n },
  ])("writes when the condition is $what", ({ setUp, expected }) => {
    for (const command of setUp) it.apply(command);
    doneOf(it.apply(put("k", "new", { expected })));
    expect(it.value("k")).toBe("new");
  });

  test.each([
    {
      what: "an older revision",
      setUp: [put("k", "v"), put("k", "w")],
      expected: 1n,
      message: "expected_mod_revision is 1, but the key has mod_revision 2",
    },
    {
      what: "0 for a key that exists",
      setUp: [put("k", "v")],
      expected: 0n,
      message: "expected_mod_revision is 0, but the key has mod_revision 1",
    },
    {
      what: "a revision for a key that does not exist",
      setUp: [],
      expected: 5n,
      message: "expected_mod_revision is 5, but there is no such key (mod_revision 0)",
    },
    {
      what: "negative",
      setUp: [],
      expected: -1n,
      message: "expected_mod_revision is -1, but there is no such key (mod_revision 0)",
    },
    {
      what: "larger than any revision",
      setUp: [put("k", "v")],
      expected: INT64_MAX,
      message: "expected_mod_revision is 9223372036854775807, but the key has mod_revision 1",
    },
  ])("is refused when the condition is $what, and names both revisions", ({ setUp, expected, message }) => {
    for (const command of setUp) it.apply(command);
    expectRefused(it, put("k", "new", { expected }), Refusal.CONDITION_FAILED, message);
    expectRefused(it, remove("k", { expected }), Refusal.CONDITION_FAILED, message);
  });

  test("is refused under a lease that there is not", () => {
    expectRefused(
      it,
      put("k", "v", { leaseId: 7n }),
      Refusal.UNKNOWN_LEASE,
      "there is no lease with lease_id 7",
    );
  });

  test("needs the value of the previous record only to return it", () => {
    const withValue = (command: Command) =>
      it.machine.reads(checkedCommand(command)).keys.map((read) => read.withValue);
    expect(withValue(put("k", "v"))).toEqual([false]);
    expect(withValue(put("k", "v", { expected: 1n }))).toEqual([false]);
    expect(withValue(put("k", "v", { returnPrevious: true }))).toEqual([true]);
    expect(withValue(remove("k"))).toEqual([false]);
    expect(withValue(remove("k", { returnPrevious: true }))).toEqual([true]);
    expect(withValue(increment("k", 1n))).toEqual([true]);
    expect(withValue(append("k", "v"))).toEqual([true]);
  });

  test("carries wall time and request id into the change only", () => {
    it.apply(openSessionCommand(ANYONE, 60_000));
    const source = {
      namespace: "",
      requestId: { clientId: 1, sequence: 3, firstUnanswered: 1 },
      wallTimeMs: 99,
    };
    it.apply(incrementCommand(source, utf8Encode("k"), 1n));
    expect(it.store.changes[0]).toMatchObject({
      kind: "put",
      revision: 1,
      ordinal: 0,
      origin: { cause: "increment", wallTimeMs: 99, requestId: { clientId: 1, sequence: 3 } },
    });
  });
});

describe("Delete", () => {
  test("A4: says deleted once, then not", () => {
    it.apply(put("k", "v"));
    expect(it.apply(remove("k"))).toMatchObject({ revision: 2n, result: { value: { deleted: 1n } } });
    expect(it.get("k")).toBeNull();
    expect(counted()).toEqual({ keyCount: 0, byteCount: 0 });
    expect(it.apply(remove("k"))).toMatchObject({ revision: 2n, result: { value: { deleted: 0n } } });
    expect(it.store.changes.map((change) => change.kind)).toEqual(["put", "delete"]);
  });

  test("returns the record that was deleted when asked", () => {
    it.apply(put("k", "v"));
    expect(doneOf(it.apply(remove("k", { returnPrevious: true }))).previous?.value).toEqual(utf8Encode("v"));
    expect(doneOf(it.apply(remove("k", { returnPrevious: true }))).previous).toBeUndefined();
  });

  test("deletes when the condition holds; 0 holds where there is no key", () => {
    it.apply(put("k", "v"));
    expect(doneOf(it.apply(remove("k", { expected: 1n }))).deleted).toBe(1n);
    expect(doneOf(it.apply(remove("k", { expected: 0n }))).deleted).toBe(0n);
  });
});

describe("DeleteRange", () => {
  beforeEach(() => {
    for (const key of ["a", "b", "ba", "c", "d"]) it.apply(put(key, key));
  });

  const keys = () => it.store.contents().map((record) => utf8Decode(record.key));

  test.each([
    { start: "b", end: "c", deleted: 2n, left: ["a", "c", "d"] },
    { start: "", end: "b", deleted: 1n, left: ["b", "ba", "c", "d"] },
    { start: "c", end: null, deleted: 2n, left: ["a", "b", "ba"] },
    { start: "", end: null, deleted: 5n, left: [] },
  ])("from '$start' to $end deletes $deleted at one revision", ({ start, end, deleted, left }) => {
    const answer = it.apply(removeRange(start, end));
    expect(doneOf(answer).deleted).toBe(deleted);
    expect(answer.revision).toBe(6n);
    expect(keys()).toEqual(left);
    expect(it.machine.namespace("")?.keyCount).toBe(left.length);
    const changes = it.store.changes.slice(5);
    expect(changes.map(({ revision }) => revision)).toEqual(changes.map(() => 6));
    expect(changes.map(({ ordinal }) => ordinal)).toEqual(changes.map((_, at) => at));
  });

  test("counts bytes that it never read", () => {
    it.apply(put("b", "a long value"));
    it.apply(removeRange("b", "bz"));
    expect(counted()).toEqual({ keyCount: 3, byteCount: 6 });
  });

  test.each([
    { what: "holds no key", start: "x", end: "z" },
    { what: "is empty", start: "b", end: "b" },
    { what: "is upside down", start: "c", end: "a" },
  ])("that $what deletes nothing and the revision stays", ({ start, end }) => {
    expect(it.apply(removeRange(start, end))).toMatchObject({
      revision: 5n,
      result: { value: { deleted: 0n } },
    });
    expect(keys()).toHaveLength(5);
  });

  test("of exactly the limit is done, and of one more is refused and deletes nothing", () => {
    expectRefused(
      it,
      removeRange("", null, 4),
      Refusal.TOO_LARGE,
      "the range holds more than 4 keys, the most that one call deletes; nothing was deleted",
    );
    expect(doneOf(it.apply(removeRange("", null, 5))).deleted).toBe(5n);
  });

  test("reads no more keys than tell that there are too many", () => {
    expect(it.machine.reads(checkedCommand(removeRange("a", "c", 3)))).toEqual({
      keys: [],
      ranges: [
        {
          namespaceId: 1,
          generation: 1,
          start: utf8Encode("a"),
          end: utf8Encode("c"),
          limit: 4,
          keyBytesMax: Number.POSITIVE_INFINITY,
          withValues: false,
          valueBytesMax: 0,
        },
      ],
      startsBatch: true,
      endsBatch: false,
    });
  });

  test("by prefix deletes what begins with it", () => {
    expect(doneOf(it.apply(deleteRangeCommand(ANYONE, prefixRange(utf8Encode("b")), 10))).deleted).toBe(2n);
    expect(keys()).toEqual(["a", "c", "d"]);
  });
});

describe("Increment", () => {
  test("A8: a missing key counts from 0, and deltas may be negative or 0", () => {
    expect(doneOf(it.apply(increment("up", 5n))).value).toBe(5n);
    expect(doneOf(it.apply(increment("down", -5n))).value).toBe(-5n);
    expect(doneOf(it.apply(increment("up", -7n))).value).toBe(-2n);
    expect(doneOf(it.apply(increment("zero", 0n))).value).toBe(0n);
    expect([it.value("up"), it.value("down"), it.value("zero")]).toEqual(["-2", "-5", "0"]);
    expect(recordOf("up")).toEqual(["-2", 1, 3, 2]);
  });

  test.each(["", " 1", "1 ", "+1", "-0", "00", "01", "-01", "1.0", "1e3", "0x1", "one", "--1", "-", "1\n"])(
    "A9: the value %j is not an integer, and stays",
    (value) => {
      it.apply(put("k", value));
      expectRefused(
        it,
        increment("k", 1n),
        Refusal.NOT_AN_INTEGER,
        "the value is not the decimal text of a signed 64-bit integer",
      );
      expect(it.value("k")).toBe(value);
    },
  );

  test.each(["9223372036854775808", "-9223372036854775809", "99999999999999999999999"])(
    "A9: %s is beyond 64 bits, so it is not one of our integers",
    (value) => {
      it.apply(put("k", value));
      expectRefused(
        it,
        increment("k", 0n),
        Refusal.NOT_AN_INTEGER,
        "the value is not the decimal text of a signed 64-bit integer",
      );
    },
  );

  test("A9: digits of another script are not digits", () => {
    it.apply(put("k", "\u0661"));
    expect(refusedOf(it.apply(increment("k", 1n))).refusal).toBe(Refusal.NOT_AN_INTEGER);
  });

  test.each([
    { value: INT64_MAX, delta: 1n },
    { value: INT64_MIN, delta: -1n },
    { value: 1n, delta: INT64_MAX },
    { value: -1n, delta: INT64_MIN },
  ])("A10: $value with delta $delta overflows, and the value stays", ({ value, delta }) => {
    it.apply(put("k", String(value)));
    expectRefused(
      it,
      increment("k", delta),
      Refusal.INTEGER_OVERFLOW,
      `${value} with delta ${delta} does not fit in a signed 64-bit integer`,
    );
    expect(it.value("k")).toBe(String(value));
  });

  test.each([
    { from: INT64_MAX - 1n, delta: 1n, to: INT64_MAX },
    { from: INT64_MIN + 1n, delta: -1n, to: INT64_MIN },
    { from: INT64_MIN, delta: INT64_MAX, to: -1n },
    { from: 0n, delta: INT64_MIN, to: INT64_MIN },
  ])("A10: $from with delta $delta is $to, just within", ({ from, delta, to }) => {
    it.apply(put("k", String(from)));
    expect(doneOf(it.apply(increment("k", delta))).value).toBe(to);
    expect(it.value("k")).toBe(String(to));
  });
});

describe("Append and Prepend", () => {
  test("A12: create when missing, and return the new record", () => {
    expect(doneOf(it.apply(append("a", "x"))).record).toMatchObject({ value: utf8Encode("x"), version: 1n });
    expect(doneOf(it.apply(prepend("p", "x"))).record).toMatchObject({ value: utf8Encode("x"), version: 1n });
    const answer = it.apply(append("a", "yz"));
    expect(doneOf(answer).record).toEqual({
      key: utf8Encode("a"),
      value: utf8Encode("xyz"),
      createRevision: 1n,
      modRevision: 3n,
      version: 2n,
      leaseId: 0n,
    });
    expect(answer.revision).toBe(3n);
    expect(doneOf(it.apply(prepend("p", "yz"))).record?.value).toEqual(utf8Encode("yzx"));
    expect([it.value("a"), it.value("p")]).toEqual(["xyz", "yzx"]);
    expect(counted()).toEqual({ keyCount: 2, byteCount: 8 });
  });

  test.each([
    { name: "Append", command: append("k", "") },
    { name: "Prepend", command: prepend("k", "") },
  ])("A12: $name of nothing to an existing key writes nothing and the revision stays", ({ command }) => {
    it.apply(put("k", "v"));
    const answer = it.apply(command);
    expect(answer.revision).toBe(1n);
    expect(doneOf(answer).record).toMatchObject({ value: utf8Encode("v"), modRevision: 1n, version: 1n });
    expect(recordOf("k")).toEqual(["v", 1, 1, 1]);
    expect(it.store.changes).toHaveLength(1);
  });

  test("A12: Append of nothing to a missing key creates an empty value", () => {
    expect(doneOf(it.apply(append("k", ""))).record?.version).toBe(1n);
    expect(recordOf("k")).toEqual(["", 1, 1, 1]);
  });

  test("up to the limit is done, beyond it is refused and names the limit", () => {
    it.apply(append("k", "12345", 6));
    doneOf(it.apply(append("k", "6", 6)));
    const message = "the value would be 7 bytes long, over the limit of 6 bytes for a value";
    expectRefused(it, append("k", "7", 6), Refusal.TOO_LARGE, message);
    expectRefused(it, prepend("k", "7", 6), Refusal.TOO_LARGE, message);
    expectRefused(it, append("new", "1234567", 6), Refusal.TOO_LARGE, message);
  });
});

describe("Truncate", () => {
  test("empties the namespace at once, as one change and one revision", () => {
    for (const key of ["a", "b", "c"]) it.apply(put(key, "v"));
    const answer = it.apply(truncateCommand(ANYONE));
    expect(answer.revision).toBe(4n);
    expect(doneOf(answer).deleted).toBe(3n);
    expect(it.store.contents()).toEqual([]);
    expect(it.store.changes.slice(3)).toEqual([
      {
        kind: "truncate",
        namespaceId: 1,
        generation: 1,
        revision: 4,
        ordinal: 0,
        origin: { cause: "truncate", wallTimeMs: ANYONE.wallTimeMs, requestId: null },
      },
    ]);
    expect(it.machine.namespace("default")).toEqual({
      id: 1,
      name: "default",
      generation: 2,
      keyCount: 0,
      byteCount: 0,
      oldestRevision: 4,
      firstEventRevision: 4,
      keysMax: null,
      bytesMax: null,
    });
  });

  test("of an empty namespace changes nothing", () => {
    it.apply(put("k", "v"));
    it.apply(remove("k"));
    const before = it.machine.resident();
    const answer = it.apply(truncateCommand(ANYONE));
    expect(answer.revision).toBe(2n);
    expect(doneOf(answer).deleted).toBe(0n);
    expect(it.machine.resident()).toEqual(before);
  });

  test("keys written afterwards begin new lives in the new generation", () => {
    it.apply(put("k", "old"));
    it.apply(truncateCommand(ANYONE));
    expect(it.machine.reads(checkedCommand(put("k", "new"))).keys[0]?.generation).toBe(2);
    it.apply(put("k", "new"));
    expect(recordOf("k")).toEqual(["new", 3, 3, 1]);
  });
});
