import { describe, expect, it } from "@jest/globals";
import { type CarriedOut, checkSessions, type SessionEvent } from "./session-guarantees";

function write(
  span: readonly [number, number],
  revision: number,
  sequence: number,
  answer = "done",
): SessionEvent {
  const [invokeNs, returnNs] = [BigInt(span[0]), BigInt(span[1])];
  return {
    client: "c",
    kind: "write",
    request: { clientId: 1, sequence },
    invokeNs,
    returnNs,
    revision,
    answer,
  };
}

function read(
  span: readonly [number, number],
  revision: number,
  minRevision = 0,
  isMonotonic = true,
): SessionEvent {
  const [invokeNs, returnNs] = [BigInt(span[0]), BigInt(span[1])];
  return { client: "c", kind: "read", invokeNs, returnNs, revision, minRevision, isMonotonic };
}

function carriedOut(sequence: number, revision: number): CarriedOut {
  return { clientId: 1, sequence, revision };
}

describe("what sessions promise", () => {
  it.each<[string, readonly SessionEvent[], readonly CarriedOut[]]>([
    ["nothing", [], []],
    ["reads that rise", [write([0, 1], 5, 1), read([2, 3], 5, 5), read([4, 5], 7)], [carriedOut(1, 5)]],
    ["overlapping reads in any order", [read([0, 9], 7), read([1, 8], 5)], []],
    ["a stale read that asked for nothing", [read([0, 1], 7), read([2, 3], 2, 0, false)], []],
    [
      "the same answer to a retry, though time has gone on",
      [write([0, 1], 5, 1), read([2, 3], 9), write([4, 5], 5, 1)],
      [],
    ],
    ["two changes of one revision", [], [carriedOut(1, 5), carriedOut(1, 5), carriedOut(2, 6)]],
  ])("accepts %s", (_, events, changes) => {
    expect(checkSessions(events, changes)).toEqual([]);
  });

  it.each<[string, readonly SessionEvent[], readonly CarriedOut[]]>([
    ["min_revision", [read([0, 1], 4, 5)], []],
    ["goes back", [write([0, 1], 5, 1), read([2, 3], 4)], []],
    ["goes back", [read([0, 1], 7), read([2, 3], 6)], []],
    ["applied twice", [], [carriedOut(1, 5), carriedOut(1, 6)]],
    ["another answer", [write([0, 1], 5, 1), write([2, 3], 5, 1, "refused")], []],
  ])("finds: %s", (rule, events, changes) => {
    expect(checkSessions(events, changes)).toMatchObject([{ rule }]);
  });
});
