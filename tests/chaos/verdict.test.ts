import { describe, expect, it } from "@jest/globals";
import { failed, Sketch } from "../judge/sketch";
import { judge } from "./verdict";

const caller = new Sketch("c1", "k");
const lastLook = new Sketch("scan k", "k");

describe("the verdict", () => {
  it("finds nothing wrong where the last look explains what callers were told", () => {
    const history = [
      caller.put([1, 2], "a", 5),
      failed(caller.put([3, 4], "b")),
      lastLook.get([8, 9], "a", 5),
    ];
    expect(judge(history)).toEqual({
      text: expect.stringContaining(
        "3 operations on 1 keys: 2 ok, 1 failed, 0 of unknown outcome; linearizable (",
      ),
      faults: [],
    });
  });

  it.each([
    ["an acknowledged write that is gone", [caller.put([1, 2], "a"), lastLook.get([8, 9], null)]],
    [
      "an acknowledged delete that came back",
      [caller.put([1, 2], "a"), caller.delete([3, 4]), lastLook.get([8, 9], "a")],
    ],
    ["a refused write that was done", [failed(caller.put([1, 2], "a")), lastLook.get([8, 9], "a")]],
    ["a value that nobody wrote", [caller.put([1, 2], "a"), lastLook.get([8, 9], "z")]],
    ["an increment that was done twice", [caller.incr([1, 2], 1, 1), lastLook.get([8, 9], "2")]],
  ])("finds %s", (_, history) => {
    const { faults } = judge(history);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain('key "k" is not linearizable');
  });

  it("takes a write of unknown outcome either way", () => {
    const open = caller.put([1, null], "a");
    expect(judge([open, lastLook.get([8, 9], "a")]).faults).toEqual([]);
    expect(judge([open, lastLook.get([8, 9], null)]).faults).toEqual([]);
  });
});
