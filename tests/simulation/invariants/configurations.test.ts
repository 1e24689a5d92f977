import { describe, expect, it } from "@jest/globals";
import type { ConfigurationState } from "@quorate/services/kv";
import { type Configuration, configurationOf, type HardState, type Message } from "@quorate/services/raft";
import { Configurations, configurationText, isQuorum } from "./configurations";
import { Elections } from "./elections";
import { expectBroken } from "./expect-broken";
import { JOINT } from "./membership-samples";
import { ReadRounds } from "./read-rounds";

describe("the check of configurations", () => {
  const three = configurationOf(["n1", "n2", "n3"]);
  const with4: Configuration = { ...three, learners: ["n4"] };
  const name = "a configuration follows on the one before";

  /** One after another, from n1 n2 n3 on. */
  const follow = (...steps: readonly ConfigurationState[]): Configurations => {
    const configurations = new Configurations(three);
    for (const [at, step] of steps.entries()) configurations.changed(10 * (at + 1), step);
    return configurations;
  };

  it("K3: finds nothing where one voter changes at a time, or a joint configuration leads to the next", () => {
    const configurations = follow(
      with4,
      configurationOf(["n1", "n2", "n3", "n4"]),
      configurationOf(["n2", "n3", "n4"]),
      { ...configurationOf(["n2", "n5", "n6"]), votersOutgoing: ["n2", "n3", "n4"], learnersNext: ["n4"] },
      { ...configurationOf(["n2", "n5", "n6"]), learners: ["n4"] },
    );
    expect(configurations.at(9)).toEqual(three);
    expect(configurations.at(10)).toEqual(with4);
    expect(configurations.at(29)).toEqual(configurationOf(["n1", "n2", "n3", "n4"]));
    expect(configurationText(configurations.at(1_000))).toBe("n2 n5 n6 + n4");
  });

  it.each<[string, string, readonly ConfigurationState[]]>([
    [
      "two voters that come at once",
      "n4, n5 change at once",
      [configurationOf(["n1", "n2", "n3", "n4", "n5"])],
    ],
    ["one voter in the place of another", "n4, n3 change at once", [configurationOf(["n1", "n2", "n4"])]],
    ["nobody left that votes", "nobody votes", [configurationOf([])]],
    ["one that votes and learns", "n3 votes and learns", [{ ...three, learners: ["n3"] }]],
    [
      "a joint configuration of other voters than there were",
      "the voters that go are not those that were there",
      [{ ...three, votersOutgoing: ["n1", "n2"] }],
    ],
    [
      "two joint configurations in a row",
      "two joint configurations follow on each other",
      [JOINT, { ...configurationOf(["n6"]), votersOutgoing: JOINT.voters }],
    ],
    [
      "voters that change as the joint configuration is left",
      "the voters change as the joint configuration is left",
      [JOINT, configurationOf(["n1", "n4"])],
    ],
    [
      "a learner that is lost as the joint configuration is left",
      "the learners change as the joint configuration is left",
      [{ ...JOINT, learnersNext: ["n3"] }, configurationOf(["n1", "n4", "n5"])],
    ],
    [
      "one that is to learn and does not vote",
      "one is to learn that does not vote now",
      [{ ...JOINT, learnersNext: ["n6"] }],
    ],
    ["one that is to learn and stays", "one that votes is to learn", [{ ...JOINT, learnersNext: ["n1"] }]],
  ])("K3: finds %s", (_, words, steps) => {
    expectBroken(name, words, () => follow(...steps));
  });

  it("K3: finds a member that acts by another configuration than what it has applied says", () => {
    const configurations = new Configurations(configurationOf(["n1", "n2"]));
    const next = { ...configurationOf(["n2", "n1"]), learners: ["n3"] };
    configurations.changed(7, next);
    configurations.actsBy("n1", configurationOf(["n2", "n1"]), [6, 6]);
    configurations.actsBy("n1", { ...next, voters: ["n1", "n2"] }, [7, 7]);
    configurations.actsBy("n1", next, [6, 7]);
    expectBroken(
      "a member knows its configuration",
      "n1, which has applied 7 entries, acts by n1 n2 in place of n2 n1 + n3",
      () => configurations.actsBy("n1", configurationOf(["n1", "n2"]), [7, 7]),
    );
  });

  it("K3: counts a majority of both halves of a joint configuration", () => {
    const counts = (...ids: string[]): boolean => isQuorum(JOINT, (id) => ids.includes(id));
    expect(counts("n1", "n2", "n4")).toBe(true);
    expect(counts("n2", "n3", "n4", "n5")).toBe(true);
    expect(counts("n1", "n2", "n3")).toBe(false);
    expect(counts("n1", "n4", "n5")).toBe(false);
    expect(isQuorum(with4, (id) => id === "n4" || id === "n1")).toBe(false);
  });
});

describe("what a joint configuration decides", () => {
  it("K3: finds a leader with a majority of one half only", () => {
    const own: HardState = { term: 4, vote: "n1", commit: 0 };
    const elections = new Elections({
      configurationsOf: () => [JOINT],
      storeOf: () => "first",
      hardStateOf: () => own,
      onElected: () => undefined,
    });
    const grant = (from: string): void => {
      const message: Message = { kind: "vote_response", from, to: "n1", term: 4, rejected: false };
      elections.sent(message);
      elections.delivered(message);
    };
    elections.stored("n1", own);
    grant("n2");
    grant("n3");
    expectBroken("elected by a majority", "n1 leads term 4 by the votes of n1, n2, n3, no majority", () =>
      elections.leads("n1", 4),
    );
  });

  it("K3: finds nothing in a leader with a majority of both halves", () => {
    const own: HardState = { term: 4, vote: "n1", commit: 0 };
    const elections = new Elections({
      configurationsOf: () => [JOINT],
      storeOf: () => "first",
      hardStateOf: () => own,
      onElected: () => undefined,
    });
    elections.stored("n1", own);
    for (const from of ["n2", "n5"]) {
      const message: Message = { kind: "vote_response", from, to: "n1", term: 4, rejected: false };
      elections.sent(message);
      elections.delivered(message);
    }
    elections.leads("n1", 4);
  });

  it("K3: finds a read that was answered by one half only", () => {
    const rounds = new ReadRounds(() => [JOINT]);
    const answer = (context: string, ...confirming: string[]): void => {
      rounds.delivered({ kind: "read_index", from: "n2", to: "n1", term: 0, context });
      const asked = {
        kind: "heartbeat",
        from: "n1",
        term: 4,
        commit: 1,
        readSequence: context.length,
      } as const;
      for (const from of confirming) {
        rounds.sent({ ...asked, to: from });
        const { term, readSequence } = asked;
        rounds.delivered({
          kind: "heartbeat_response",
          from,
          to: "n1",
          term,
          readSequence,
          lowOnSpace: false,
        });
      }
      rounds.sent({ kind: "read_index_response", from: "n1", to: "n2", term: 4, index: 1, context });
    };
    answer("a", "n2", "n4");
    expectBroken("read quorum", "only n1, n4, n5 said that it leads", () => answer("aa", "n4", "n5"));
  });
});
