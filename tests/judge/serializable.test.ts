import { describe, expect, it } from "@jest/globals";
import { checkSerializable } from "./serializable";
import type { ListOperation, RecordedTransaction } from "./transactions";

type Span = readonly [invoke: number, returned: number | null];

/** "ax1" appends 1 to x; "rx12" reads x as 1, 2; "rx" reads it as empty. */
function txn(
  span: Span,
  text: string,
  status: RecordedTransaction["status"] = span[1] === null ? "unknown" : "ok",
): RecordedTransaction {
  const operations = text.split(" ").map((word): ListOperation => {
    const [kind, key = "", ...values] = word;
    return kind === "a"
      ? { op: "append", key, value: values.join("") }
      : { op: "read", key, values: status === "unknown" ? null : values };
  });
  const [invoke, returned] = span;
  const ended = returned === null ? {} : { return: String(returned) };
  return { client: text, operations, status, invoke: String(invoke), ...ended };
}

const GOOD: readonly (readonly [string, readonly RecordedTransaction[]])[] = [
  ["nothing at all", []],
  ["appends and reads one after another", [txn([0, 1], "ax1"), txn([2, 3], "rx1 ax2"), txn([4, 5], "rx12")]],
  [
    "reads that overlap an append, before and after it",
    [txn([0, 9], "ax1"), txn([1, 2], "rx"), txn([3, 4], "rx1")],
  ],
  ["own appends are seen", [txn([0, 1], "rx ax1 rx1 ax2 rx12"), txn([2, 3], "rx12")]],
  ["an append that nobody reads, after all that was read", [txn([0, 9], "ax1"), txn([1, 2], "rx")]],
  ["an unknown one that happened late", [txn([0, null], "ax1"), txn([5, 6], "rx"), txn([7, 8], "rx1")]],
  ["an unknown one that never happened", [txn([0, null], "ax1 ay1"), txn([5, 6], "rx ry")]],
  ["a failed one that nobody saw", [txn([0, 1], "ax1", "fail"), txn([2, 3], "rx")]],
  ["returned at the moment at which another began: they overlap", [txn([0, 5], "ax1"), txn([5, 6], "rx")]],
];

const BAD: readonly (readonly [string, readonly RecordedTransaction[]])[] = [
  ["internal", [txn([0, 1], "ax1 rx")]],
  ["internal", [txn([0, 1], "ax1"), txn([0, 9], "rx rx1")]],
  ["internal", [txn([0, 1], "ax1 ax2 ax3"), txn([2, 3], "rx213")]],
  ["impossible list", [txn([0, 1], "rx7")]],
  ["impossible list", [txn([0, 1], "ax1"), txn([2, 3], "rx11")]],
  ["impossible list", [txn([0, 9], "ax1"), txn([0, 9], "ax2"), txn([0, 9], "rx12"), txn([0, 9], "rx21")]],
  ["G1a", [txn([0, 1], "ax1", "fail"), txn([2, 3], "rx1")]],
  ["G1b", [txn([0, 9], "ax1 ax2"), txn([0, 9], "rx1")]],
  ["G0", [txn([0, 9], "ax1 ay1"), txn([0, 9], "ax2 ay2"), txn([0, 9], "rx12"), txn([0, 9], "ry21")]],
  ["G1c", [txn([0, 9], "ax1 ry1"), txn([0, 9], "ay1 rx1")]],
  // Read skew: one of two appends of a transaction is seen.
  ["G-single", [txn([0, 9], "ax1 ay1"), txn([0, 9], "rx1 ry")]],
  // A lost update: both read the same and append.
  ["G-single", [txn([0, 9], "rx ax1"), txn([0, 9], "rx ax2"), txn([0, 9], "rx12")]],
  // Write skew.
  ["G2", [txn([0, 9], "rx ay1"), txn([0, 9], "ry ax1")]],
  ["G0-realtime", [txn([0, 1], "ax1"), txn([2, 3], "ax2"), txn([0, 9], "rx21")]],
  ["G1c-realtime", [txn([0, 1], "rx1"), txn([2, 3], "ax1")]],
  // A stale read, and a write that was acknowledged and lost.
  ["G-single-realtime", [txn([0, 1], "ax1"), txn([2, 3], "rx"), txn([4, 5], "rx1")]],
  ["G-single-realtime", [txn([0, 1], "ax1"), txn([2, 3], "rx")]],
  // Two snapshots that see two writes in opposite order.
  [
    "G-single-realtime",
    [txn([0, 20], "ax1"), txn([0, 3], "rx1"), txn([4, 5], "rx ry"), txn([6, 7], "ry rx1")],
  ],
  ["G2", [txn([0, 20], "ax1"), txn([0, 20], "ay1"), txn([0, 20], "rx1 ry"), txn([0, 20], "rx ry1")]],
  // An unknown one that was seen took effect whole.
  ["G-single", [txn([0, null], "ax1 ay1"), txn([5, 6], "rx1 ry")]],
  ["G-single-realtime", [txn([0, null], "ax1"), txn([5, 6], "rx1"), txn([7, 8], "rx")]],
];

describe("strict serializability of list appends", () => {
  it.each(GOOD)("accepts %s", (_, transactions) => {
    expect(checkSerializable(transactions)).toEqual({ kind: "serializable" });
  });

  it.each(BAD)("names %s", (anomaly, transactions) => {
    expect(checkSerializable(transactions)).toMatchObject({ kind: "violation", anomaly });
  });

  it("shows the cycle, transaction by transaction", () => {
    const transactions = [txn([0, 9], "ax1 ay1"), txn([2, 3], "rx1 ry")];
    const verdict = checkSerializable(transactions);
    expect(verdict).toMatchObject({ transactions: expect.arrayContaining(transactions) });
    expect(verdict.kind === "violation" ? verdict.explanation : "").toContain(
      "ax1 ay1 {append x 1; append y 1} [0 to 9]\n    wr: the next read what it appended",
    );
  });

  it("refuses a history in which a value is appended twice: it tells too little", () => {
    expect(() => checkSerializable([txn([0, 1], "ax1"), txn([2, 3], "ax1")])).toThrow("appended to x twice");
  });

  it("judges thousands of transactions in one go", () => {
    const transactions = Array.from({ length: 5_000 }, (_, at) =>
      at % 10 === 9
        ? txn([10 * at, 10 * at + 15], `rx`)
        : ({
            ...txn([10 * at, 10 * at + 15], "ay"),
            operations: [{ op: "append", key: `k${at % 50}`, value: String(at) }],
          } as const),
    );
    expect(checkSerializable(transactions)).toEqual({ kind: "serializable" });
  });
});
