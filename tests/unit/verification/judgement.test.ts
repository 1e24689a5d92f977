import { describe, expect, test } from "@jest/globals";
import type { ConfigurationState } from "@quorate/services/kv";
import { judge } from "@quorate/services/verification";

function configuration(
  voters: readonly string[],
  votersOutgoing: readonly string[] = [],
): ConfigurationState {
  return { voters, votersOutgoing, learners: [], learnersNext: [], autoLeave: false };
}

/** "n1:a n2:b" is two members with different roots. */
function roots(text: string): Map<string, Uint8Array> {
  const found = text.split(" ").filter((word) => word !== "");
  return new Map(
    found.map((word) => [
      word.split(":")[0] as string,
      new Uint8Array(Buffer.from(word.split(":")[1] ?? "")),
    ]),
  );
}

const THREE = configuration(["n1", "n2", "n3"]);
const FOUR = configuration(["n1", "n2", "n3", "n4"]);
const JOINT = configuration(["n1", "n2", "n3"], ["n3", "n4", "n5"]);

describe("who is wrong", () => {
  test.each([
    { what: "all equal", of: THREE, is: "n1:a n2:a n3:a", wrong: [] },
    { what: "one of three differs", of: THREE, is: "n1:a n2:b n3:a", wrong: ["n2"] },
    { what: "one does not answer", of: THREE, is: "n1:a n3:a", wrong: [] },
    { what: "a learner differs", of: THREE, is: "n1:a n2:a n3:a n9:b", wrong: ["n9"] },
    { what: "one of four differs", of: FOUR, is: "n1:a n2:a n3:a n4:b", wrong: ["n4"] },
    {
      what: "both majorities of a joint configuration",
      of: JOINT,
      is: "n1:a n2:a n3:b n4:a n5:a",
      wrong: ["n3"],
    },
  ])("a majority has one root: $what", ({ of, is, wrong }) => {
    expect(judge(of, roots(is))).toMatchObject({ kind: "majority", root: "61", wrong });
  });

  test.each([
    { what: "equal halves", of: FOUR, is: "n1:a n2:a n3:b n4:b" },
    { what: "all different", of: THREE, is: "n1:a n2:b n3:c" },
    { what: "two that differ, and one that does not answer", of: THREE, is: "n1:a n2:b" },
    { what: "a learner tips no scale", of: FOUR, is: "n1:a n2:a n3:b n4:b n9:a" },
    { what: "the majority of one half only", of: JOINT, is: "n1:a n2:a n3:a n4:b n5:b" },
  ])("H7: nobody can be told to be wrong: $what", ({ of, is }) => {
    expect(judge(of, roots(is))).toEqual({ kind: "split" });
  });

  test("too few answered, and they are equal", () => {
    expect(judge(THREE, roots("n1:a"))).toEqual({ kind: "undecided" });
    expect(judge(FOUR, roots("n1:a n2:a"))).toEqual({ kind: "undecided" });
  });
});
