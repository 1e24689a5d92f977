import { expect, test } from "@jest/globals";
import { compareStrings, sortedEntries, sortedKeys } from "@quorate/services/std";

test("texts are ordered by code units, whatever the locale", () => {
  expect(["n2", "n10", "é", "N1", "n1", "z"].sort(compareStrings)).toEqual([
    "N1",
    "n1",
    "n10",
    "n2",
    "z",
    "é",
  ]);
  expect(compareStrings("a", "a")).toBe(0);
});

test("maps and sets are visited in the order of their keys, not of their making", () => {
  const map = new Map([
    ["b", 1],
    ["a", 2],
  ]);
  expect(sortedEntries(map)).toEqual([
    ["a", 2],
    ["b", 1],
  ]);
  expect([sortedKeys(map), sortedKeys(new Set(["z", "y"]))]).toEqual([
    ["a", "b"],
    ["y", "z"],
  ]);
});
