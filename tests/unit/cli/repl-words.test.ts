import { describe, expect, test } from "@jest/globals";
import { wordsOf } from "../../../clients/cli/src/repl/words";

function texts(line: string): readonly string[] | string {
  const read = wordsOf(line);
  return read.kind === "words" ? read.words.map((word) => Buffer.from(word).toString("latin1")) : read.why;
}

describe("L2: the words of a line", () => {
  test.each<[string, readonly string[]]>([
    ["", []],
    ["   ", []],
    ["set a 1", ["set", "a", "1"]],
    ["  set\ta   1  ", ["set", "a", "1"]],
    ['set "a b" c', ["set", "a b", "c"]],
    ["set 'a \"b\\n' c", ["set", 'a "b\\n', "c"]],
    ['set "" x', ["set", "", "x"]],
    ['set "\\n\\r\\t\\0\\\\\\"" x', ["set", '\n\r\t\0\\"', "x"]],
    ['set "\\x00\\xff\\x41" x', ["set", "\0\xffA", "x"]],
    ['set a"b c', ["set", 'a"b', "c"]],
  ])("%j", (line, words) => {
    expect(texts(line)).toEqual(words);
  });

  test.each([
    ['set "a', "the quote at column 5 is not closed"],
    ["set 'a", "the quote at column 5 is not closed"],
    ['set "a\\', "\\ at column 7 is no escape"],
    ['set "\\q"', "\\q at column 6 is no escape"],
    ['set "\\xg0"', "\\x at column 6 is no escape"],
    ['set "a"b', "a space is missing after the quote at column 7"],
  ])("%j is malformed, and it says where", (line, why) => {
    expect(texts(line)).toBe(why);
  });
});
