import { describe, expect, it } from "@jest/globals";
import { checkStaleReads, type StaleRead } from "./prefix-reads";
import { Sketch } from "./sketch";

const client = new Sketch("c");
const records = [
  client.put([0, 10], "x", 3),
  client.put([20, 30], "y", 5),
  client.delete([40, 50], true, 8),
  client.put([60, 70], "z", 9),
];

function read(value: string | null, rev: number, stateRev: number, returnNs = 100n): StaleRead {
  return { session: "s", key: "k", value, rev, stateRev, returnNs };
}

function kinds(...reads: readonly StaleRead[]): string[] {
  return checkStaleReads(records, reads).map(({ kind }) => kind);
}

describe("stale reads", () => {
  it.each([
    ["the newest value", read("z", 9, 12)],
    ["an older prefix", read("x", 3, 4)],
    ["the prefix that ends with the write", read("y", 5, 5)],
    ["the time between deletion and new life", read(null, 0, 8)],
    ["the time before the first write", read(null, 0, 2)],
    ["a write whose answer nobody got", read("hidden", 7, 7)],
  ])("may show %s", (_, shown) => {
    expect(kinds(shown)).toEqual([]);
  });

  it.each([
    ["a value that was replaced at that revision", read("x", 3, 5)],
    ["a key that was deleted at that revision", read("y", 5, 8)],
    ["nothing where there was something", read(null, 0, 6)],
    ["another value than was written", read("q", 3, 4)],
    ["a revision above that of the state", read("y", 5, 4)],
  ])("may not show %s", (_, shown) => {
    expect(kinds(shown)).toEqual(["no_such_prefix"]);
  });

  it("may not show what was written only later", () => {
    expect(kinds(read("z", 9, 9, 55n))).toEqual(["from_the_future"]);
  });

  it("may not go back within a session", () => {
    expect(kinds(read("z", 9, 9), read("x", 3, 3))).toEqual(["went_back"]);
    expect(kinds(read("z", 9, 9), { ...read("x", 3, 3), session: "other" })).toEqual([]);
  });

  it("cannot tell where a deletion of unknown outcome may have been", () => {
    const withDelete = [...records.slice(0, 2), new Sketch("d").delete([35, null])];
    expect(checkStaleReads(withDelete, [read(null, 0, 6)])).toEqual([]);
  });
});
