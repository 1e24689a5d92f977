import { describe, expect, test } from "@jest/globals";
import {
  type Configuration,
  committedIndex,
  configurationOf,
  type VoteResult,
  voteResult,
} from "@quorate/services/raft";
import fc from "fast-check";

function joint(voters: string[], votersOutgoing: string[]): Configuration {
  return { ...configurationOf(voters), votersOutgoing };
}

describe("the index that a quorum acknowledges", () => {
  const rows: readonly [string, Configuration, Record<string, number>, number][] = [
    ["one voter decides alone", configurationOf(["n1"]), { n1: 5 }, 5],
    ["two voters decide together", configurationOf(["n1", "n2"]), { n1: 5, n2: 3 }, 3],
    ["of three, two suffice", configurationOf(["n1", "n2", "n3"]), { n1: 5, n2: 4, n3: 0 }, 4],
    [
      "of four, three are needed",
      configurationOf(["n1", "n2", "n3", "n4"]),
      { n1: 9, n2: 9, n3: 2, n4: 1 },
      2,
    ],
    [
      "of five, three are needed",
      configurationOf(["n1", "n2", "n3", "n4", "n5"]),
      { n1: 9, n2: 8, n3: 7 },
      7,
    ],
    ["silent voters acknowledge nothing", configurationOf(["n1", "n2", "n3"]), { n1: 5 }, 0],
    ["strangers do not count", configurationOf(["n1", "n2", "n3"]), { n1: 5, n7: 9, n8: 9 }, 0],
    [
      "a joint one needs both halves",
      joint(["n1", "n2", "n3"], ["n3", "n4", "n5"]),
      { n1: 9, n2: 9, n4: 6, n5: 5 },
      5,
    ],
  ];

  test.each(rows)("%s", (_, configuration, acknowledged, expected) => {
    expect(committedIndex(configuration, (id) => acknowledged[id] ?? 0)).toBe(expected);
  });

  test("equals the greatest index that a majority of each half reached, tried one by one", () => {
    fc.assert(
      fc.property(
        halves(),
        fc.array(fc.nat(20), { minLength: 9, maxLength: 9 }),
        (configuration, reached) => {
          const at = (id: string): number => reached[Number(id.slice(1)) - 1] as number;
          const held = (index: number): boolean =>
            [configuration.voters, configuration.votersOutgoing].every(
              (half) => half.filter((id) => at(id) >= index).length * 2 > half.length || half.length === 0,
            );
          const expected = Math.max(...Array.from({ length: 21 }, (_, index) => index).filter(held));
          expect(committedIndex(configuration, at)).toBe(expected);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("the result of a vote", () => {
  const three = configurationOf(["n1", "n2", "n3"]);
  const rows: readonly [string, Configuration, Record<string, boolean>, VoteResult][] = [
    ["nobody has voted", three, {}, "pending"],
    ["one of three said yes", three, { n1: true }, "pending"],
    ["two of three said yes", three, { n1: true, n2: true }, "won"],
    ["one yes, one no", three, { n1: true, n2: false }, "pending"],
    ["two of three said no", three, { n1: true, n2: false, n3: false }, "lost"],
    ["half of four said no", configurationOf(["n1", "n2", "n3", "n4"]), { n1: false, n2: false }, "lost"],
    ["only one half of a joint one said yes", joint(["n1"], ["n2"]), { n1: true }, "pending"],
    ["one half of a joint one said no", joint(["n1"], ["n2"]), { n1: false }, "lost"],
    ["both halves said yes", joint(["n1"], ["n2"]), { n1: true, n2: true }, "won"],
  ];

  test.each(rows)("%s", (_, configuration, votes, expected) => {
    expect(voteResult(configuration, new Map(Object.entries(votes)))).toBe(expected);
  });

  test("is decided exactly when no way of completing the votes changes it", () => {
    const vote = fc.constantFrom<boolean | undefined>(true, false, undefined);
    fc.assert(
      fc.property(halves(), fc.array(vote, { minLength: 9, maxLength: 9 }), (configuration, cast) => {
        const wins = (open: boolean): boolean =>
          [configuration.voters, configuration.votersOutgoing].every((half) => {
            const yes = half.filter((id) => cast[Number(id.slice(1)) - 1] ?? open);
            return yes.length * 2 > half.length || half.length === 0;
          });
        const expected: VoteResult = wins(false) ? "won" : wins(true) ? "pending" : "lost";
        const votes = new Map<string, boolean>();
        for (const [at, yes] of cast.entries()) if (yes !== undefined) votes.set(`n${at + 1}`, yes);
        expect(voteResult(configuration, votes)).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });
});

function halves(): fc.Arbitrary<Configuration> {
  const ids = Array.from({ length: 9 }, (_, at) => `n${at + 1}`);
  return fc
    .tuple(fc.subarray(ids, { minLength: 1 }), fc.subarray(ids))
    .map(([voters, votersOutgoing]) => joint(voters, votersOutgoing));
}
