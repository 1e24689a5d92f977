import { describe, expect, it } from "@jest/globals";
import { judgeHistoryText } from "./judge-report";
import { judgeKeys } from "./linearizable";
import { BadOption, judgeOptions } from "./options";
import { Sketch } from "./sketch";

describe("the report of a history", () => {
  it("has a line a key and ends with the verdict", () => {
    const [left, right] = [new Sketch("a", "left"), new Sketch("b", "r\n")];
    const records = [left.put([0, 1], "x"), left.put([2, null], "y"), right.get([0, 1], "q")];
    const { verdict, text, json } = judgeHistoryText(judgeKeys(records));
    const lines = text.split("\n");
    expect(lines[1]).toMatch(/^"left" +1 +0 +1 +\d+ {2}linearizable$/);
    expect(lines[2]).toMatch(/^"r\\n" +1 +0 +0 +\d+ {2}violation$/);
    expect(lines.at(-2)).toBe("violation: 3 operations on 2 keys");
    expect(text).toContain('No operation wrote "q".');
    expect(verdict).toBe("violation");
    expect(JSON.parse(JSON.stringify(json))).toMatchObject({ verdict: { key: "r\n" }, keys: [{}, {}] });
  });
});

describe("the options of the judge", () => {
  it("are one path and what may be left out", () => {
    expect(judgeOptions(["h.jsonl"])).toEqual({ path: "h.jsonl", statesMax: 200_000, json: false });
    expect(judgeOptions(["h.jsonl", "--json", "--states-max", "7"])).toEqual({
      path: "h.jsonl",
      statesMax: 7,
      json: true,
    });
    expect(judgeOptions(["--help"])).toBe("help");
  });

  it.each([[[]], [["a", "b"]], [["a", "--states-max", "many"]], [["a", "--nonsense"]]])(
    "refuse %j",
    (args) => {
      expect(() => judgeOptions(args)).toThrow(BadOption);
    },
  );
});
