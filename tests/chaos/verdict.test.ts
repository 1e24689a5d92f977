import { describe, expect, it } from "@jest/globals";
import type { HistoryRecord } from "../judge";
import { failed, Sketch } from "../judge/sketch";
import { judge, type LastLook } from "./verdict";

const caller = new Sketch("c1", "k");

/** What is found in the key after all has been done. */
function look(value: string | null): LastLook {
  const reads = [new Sketch("look", "k").get([8, 9], value)];
  return { found: value === null ? new Map() : new Map([["k", value]]), reads, endedAtNs: 9n };
}

describe("the verdict", () => {
  it("finds nothing wrong where the last look agrees with what callers were told", () => {
    const operations = [caller.put([1, 2], "a"), failed(caller.put([3, 4], "b"))];
    expect(judge(operations, look("a"))).toEqual({
      text: expect.stringContaining(
        "2 operations on 1 keys: 1 ok, 1 failed, 0 of unknown outcome; linearizable (",
      ),
      faults: [],
    });
  });

  it.each<[string, HistoryRecord[], string | null, string]>([
    ["an acknowledged write that is gone", [caller.put([1, 2], "a")], null, "lost"],
    [
      "an acknowledged delete that came back",
      [caller.put([1, 2], "a"), caller.delete([3, 4])],
      "a",
      "resurrected",
    ],
    ["a refused write that was done", [failed(caller.put([1, 2], "a"))], "a", "impossible"],
    ["a value that nobody wrote", [caller.put([1, 2], "a")], "z", "impossible"],
    ["an increment that was done twice", [caller.incr([1, 2], 1, 1)], "2", "impossible"],
    ["an append that is gone", [caller.append([1, 2], "x;", "x;")], null, "lost"],
  ])("finds %s, by search and by account", (_, operations, value, kind) => {
    const { faults } = judge(operations, look(value));
    expect(faults).toHaveLength(2);
    expect(faults[0]?.text).toContain('key "k" is not linearizable');
    expect(faults[1]?.text).toContain(`${kind}: key "k" holds`);
  });

  it("takes a write of unknown outcome either way", () => {
    const open = caller.put([1, null], "a");
    expect(judge([open], look("a")).faults).toEqual([]);
    expect(judge([open], look(null)).faults).toEqual([]);
  });
});
