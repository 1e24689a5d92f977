import { describe, expect, it } from "@jest/globals";
import { checkDurability } from "./durability-check";
import type { HistoryRecord } from "./history";

const put = (value: string, invoke: number, returned: number | null): HistoryRecord => ({
  client: "c1",
  op: "put",
  key: "k",
  args: { value },
  ...(returned === null
    ? { result: null, status: "unknown", invoke: `${invoke}` }
    : { result: {}, status: "ok", invoke: `${invoke}`, return: `${returned}` }),
});

const get = (value: string | null, invoke: number, returned: number): HistoryRecord => ({
  client: "c2",
  op: "get",
  key: "k",
  args: {},
  result: { value },
  status: "ok",
  invoke: `${invoke}`,
  return: `${returned}`,
});

const crashAt = (time: number) => ({ name: `n1 crashes at ${time}`, timeNs: BigInt(time) });

describe("K4: what must survive and what may be lost, over all crashes of a history", () => {
  it.each<[string, HistoryRecord[], number[]]>([
    ["an acknowledged write survives", [put("a", 1, 2), get("a", 5, 6)], [3]],
    ["an unknown write may be lost", [put("a", 1, 2), put("b", 3, null), get("a", 5, 6)], [4]],
    ["an unknown write may survive", [put("a", 1, 2), put("b", 3, null), get("b", 5, 6)], [4]],
    ["a read beside a write says nothing", [put("a", 1, 2), put("b", 4, 9), get("b", 5, 6)], [3]],
    ["over two crashes", [put("a", 1, 2), get("a", 4, 5), put("b", 6, 7), get("b", 9, 10)], [3, 8]],
  ])("%s", (_, records, crashes) => {
    expect(checkDurability(records, crashes.map(crashAt))).toEqual([]);
  });

  it.each<[string, HistoryRecord[], number[], object]>([
    [
      "an acknowledged write is lost",
      [put("a", 1, 2), get(null, 5, 6)],
      [3],
      { kind: "lost", key: "k", found: null, cycle: { number: 1, name: "n1 crashes at 3" } },
    ],
    [
      "an older value is back",
      [put("a", 1, 2), put("b", 3, 4), get("a", 6, 7)],
      [5],
      { kind: "lost", found: "a" },
    ],
    [
      "what an unknown write did, and was read, is lost in the second crash",
      [put("a", 1, 2), put("b", 3, null), get("b", 5, 6), get("a", 8, 9)],
      [4, 7],
      { kind: "lost", found: "a", cycle: { number: 2, name: "n1 crashes at 7" } },
    ],
    ["a value that nobody wrote", [put("a", 1, 2), get("x", 5, 6)], [3], { kind: "impossible", found: "x" }],
  ])("finds that %s", (_, records, crashes, finding) => {
    expect(checkDurability(records, crashes.map(crashAt))).toEqual([expect.objectContaining(finding)]);
  });

  it("leaves keys alone that are counted up or appended to", () => {
    const records: HistoryRecord[] = [
      {
        client: "c1",
        op: "incr",
        key: "k",
        args: { by: 1 },
        result: { value: 1 },
        status: "ok",
        invoke: "1",
        return: "2",
      },
      get(null, 5, 6),
    ];
    expect(checkDurability(records, [])).toEqual([]);
  });
});
