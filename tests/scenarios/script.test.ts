import { describe, expect, test } from "@jest/globals";
import { parseScript, rewriteScript, ScriptError } from "./script";

const noInput: ReadonlySet<string> = new Set();

function parse(text: string, takesInput = noInput) {
  return parseScript("story.txt", text, takesInput);
}

/** The one directive of a script. */
function only(text: string, takesInput = noInput) {
  const [directive, ...others] = parse(text, takesInput).directives;
  expect(others).toEqual([]);
  return directive;
}

describe("a directive line", () => {
  test.each([
    ["bare words", "stabilize 1 2", [["1"], ["2"]]],
    [
      "a value",
      "transfer-leadership from=1 to=4",
      [
        ["from", "1"],
        ["to", "4"],
      ],
    ],
    ["a list", "add-nodes 3 voters=(1,2,3)", [["3"], ["voters", "1", "2", "3"]]],
    ["blanks in a list", "deliver-msgs drop=(1, 2)", [["drop", "1", "2"]]],
    ["parentheses in a list", "x a=(b (c, d), e)", [["a", "b (c, d)", "e"]]],
    ["an empty value", "x a= b", [["a", ""], ["b"]]],
    [
      "a line that is wrapped",
      "x a=1 \\\n  b=2",
      [
        ["a", "1"],
        ["b", "2"],
      ],
    ],
  ])("may have %s", (_name, text, expected) => {
    const given = only(text)?.arguments.map(({ key, values }) => [key, ...values]);
    expect(given).toEqual(expected);
  });

  test.each([
    ["a list that is never closed", "x a=(1,2", "story.txt:1: argument a: the parenthesis is never closed"],
    ["a value without a name", "x =1", 'story.txt:1: cannot read the arguments from "=1" on'],
  ])("is refused with %s", (_name, text, message) => {
    expect(() => parse(text)).toThrow(new ScriptError("story.txt", 1, message.replace("story.txt:1: ", "")));
  });
});

describe("expected text", () => {
  test("ends at a blank line, and comments stand between directives", () => {
    const script = parse("# a story\n\nfirst 1\n----\none\ntwo\n\n# goes on\nsecond\n----\nok\n");
    expect(script.directives.map(({ name, line, expected }) => ({ name, line, expected }))).toEqual([
      { name: "first", line: 3, expected: "one\ntwo" },
      { name: "second", line: 9, expected: "ok" },
    ]);
  });

  test("may hold blank lines between doubled fences", () => {
    expect(only("x\n----\n----\none\n\ntwo\n----\n----\n")?.expected).toBe("one\n\ntwo");
  });

  test("is refused when its doubled fence is never closed", () => {
    expect(() => parse("\nx\n----\n----\none\n")).toThrow("story.txt:2: the doubled ----");
  });

  test("may be empty, or missing with its fence", () => {
    const script = parse("first\n----\n\nsecond\nthird 3\n\nfourth");
    expect(script.directives.map(({ name, expected }) => [name, expected])).toEqual([
      ["first", ""],
      ["second", undefined],
      ["third", undefined],
      ["fourth", undefined],
    ]);
  });
});

test("the lines between a directive that takes input and its fence are its input", () => {
  expect(only("change 1\nv2\nl3\n----\nok\n", new Set(["change"]))).toMatchObject({
    input: "v2\nl3",
    expected: "ok",
  });
});

test("lines may end in carriage returns", () => {
  expect(only("x 1\r\n----\r\nok\r\n")).toMatchObject({ text: "x 1", expected: "ok" });
});

describe("rewriting", () => {
  test("replaces expected text and keeps the rest", () => {
    const script = parse("# a story\n\nfirst \\\n 1\n----\nold\nolder\n\n# goes on\nsecond\n");
    expect(rewriteScript(script, ["new", "ok"])).toBe(
      "# a story\n\nfirst \\\n 1\n----\nnew\n\n# goes on\nsecond\n----\nok\n",
    );
  });

  test("parts directives that stood without a blank line", () => {
    expect(rewriteScript(parse("first\nsecond"), ["a", "b"])).toBe("first\n----\na\n\nsecond\n----\nb\n");
  });

  test("doubles the fence around blank lines, and reads them back", () => {
    const written = rewriteScript(parse("x\n----\n"), ["one\n\ntwo"]);
    expect(written).toBe("x\n----\n----\none\n\ntwo\n----\n----\n");
    expect(only(written)?.expected).toBe("one\n\ntwo");
  });
});
