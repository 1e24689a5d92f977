import { describe, expect, test } from "@jest/globals";
import { cutDue, cutWithin, type LogExtent } from "@quorate/services/replica";

const KEEPING = { entriesMax: 100, bytesMax: 10_000, entriesKept: 20 };

function extent(changes: Partial<LogExtent>): LogExtent {
  return {
    firstIndex: 1,
    lastIndex: 0,
    bytes: 0,
    checkpointIndex: 1_000_000,
    appliedIndex: 1_000_000,
    pinnedIndex: null,
    followedIndex: null,
    ...changes,
  };
}

describe("F1: the log is cut", () => {
  test.each([
    ["not while it is within both bounds", { lastIndex: 100, bytes: 10_000 }, null],
    ["when it holds too many entries, but for those that are kept", { lastIndex: 101, bytes: 100 }, 81],
    ["where it began later", { firstIndex: 51, lastIndex: 151, bytes: 100 }, 131],
    ["when it takes too many bytes, to half of what it may", { lastIndex: 10, bytes: 20_000 }, 8],
    ["down to nothing where one entry is too large", { lastIndex: 1, bytes: 20_000 }, 1],
    ["at most to the checkpoint", { lastIndex: 200, bytes: 100, checkpointIndex: 60 }, 60],
    [
      "not at all where the checkpoint is older",
      { firstIndex: 61, lastIndex: 200, checkpointIndex: 60 },
      null,
    ],
    [
      "past a state that is being sent, where the log has grown to many times its bounds",
      { lastIndex: 900, pinnedIndex: 33 },
      880,
    ],
    ["at most to what is applied", { lastIndex: 200, bytes: 100, appliedIndex: 70 }, 70],
    ["at most to what a follower holds", { lastIndex: 200, bytes: 100, followedIndex: 33 }, 33],
    ["and not for followers that are too far behind", { lastIndex: 801, bytes: 100, followedIndex: 33 }, 781],
    ["at most to a state that is being sent", { lastIndex: 200, bytes: 100, pinnedIndex: 33 }, 33],
  ] as const)("%s", (_, log, index) => {
    expect(cutDue(KEEPING, extent(log))).toBe(index);
  });

  test("as far as it was asked for, the state and the images allow", () => {
    expect(cutWithin(extent({ lastIndex: 9 }), 9)).toBe(9);
    expect(cutWithin(extent({ lastIndex: 9, checkpointIndex: 4, pinnedIndex: 6 }), 9)).toBe(4);
    expect(cutWithin(extent({ firstIndex: 7, lastIndex: 9 }), 6)).toBeNull();
  });
});
