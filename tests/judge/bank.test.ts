import { describe, expect, it } from "@jest/globals";
import { type BankRecord, checkBank } from "./bank";

const INITIAL = { a: "10#0", b: "10#0" };

function transfer(
  [invoke, end]: readonly [number, number | null],
  a: readonly [string, string],
  b: readonly [string, string],
): BankRecord {
  const moves = [
    { account: "a", over: a[0], version: a[1] },
    { account: "b", over: b[0], version: b[1] },
  ];
  const ended = end === null ? {} : { return: String(end) };
  const status = end === null ? "unknown" : "ok";
  return { client: "t", op: "transfer", moves, status, invoke: String(invoke), ...ended };
}

function read([invoke, end]: readonly [number, number], a: string, b: string): BankRecord {
  const at = { invoke: String(invoke), return: String(end) };
  return { client: "r", op: "read", versions: { a, b }, status: "ok", ...at };
}

const FIRST = transfer([0, 9], ["10#0", "7#1"], ["10#0", "13#1"]);
const SECOND = transfer([10, 19], ["7#1", "9#2"], ["13#1", "11#2"]);

describe("transfers between accounts", () => {
  it.each<[string, readonly BankRecord[]]>([
    [
      "reads before, amid and after",
      [read([0, 1], "10#0", "10#0"), FIRST, read([5, 6], "7#1", "13#1"), SECOND],
    ],
    [
      "a transfer of unknown outcome that happened",
      [
        transfer([0, null], ["10#0", "7#1"], ["10#0", "13#1"]),
        read([2, 3], "10#0", "10#0"),
        SECOND,
        read([30, 31], "9#2", "11#2"),
      ],
    ],
  ])("accepts %s", (_, records) => {
    expect(checkBank(records, INITIAL)).toEqual({ kind: "serializable" });
  });

  it.each<[string, readonly BankRecord[]]>([
    ["total", [FIRST, read([5, 6], "7#1", "10#0")]],
    // The sum is right, the time is not.
    ["G-single-realtime", [FIRST, read([10, 11], "10#0", "10#0")]],
    ["G-single-realtime", [FIRST, SECOND, read([20, 21], "7#1", "13#1")]],
    // Two transfers over the same versions: one is lost.
    ["G-single", [FIRST, transfer([0, 9], ["10#0", "5#3"], ["10#0", "15#3"]), read([0, 9], "7#1", "13#1")]],
    ["impossible list", [read([0, 1], "8#9", "12#9")]],
  ])("names %s", (anomaly, records) => {
    expect(checkBank(records, INITIAL)).toMatchObject({ kind: "violation", anomaly });
  });
});
