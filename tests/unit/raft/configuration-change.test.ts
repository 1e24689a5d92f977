import { describe, expect, test } from "@jest/globals";
import {
  type Configuration,
  changedConfiguration,
  configurationFault,
  configurationOf,
  configurationStepFault,
  leftConfiguration,
  type MemberChange,
  type Transition,
  voteResult,
} from "@quorate/services/raft";
import { seededRandom } from "@quorate/services/std";

function voter(id: string): MemberChange {
  return { kind: "add_voter", id };
}

function learner(id: string): MemberChange {
  return { kind: "add_learner", id };
}

function removal(id: string): MemberChange {
  return { kind: "remove", id };
}

const three = configurationOf(["n1", "n2", "n3"]);
const withLearner: Configuration = { ...three, learners: ["n4"] };
const joint: Configuration = { ...configurationOf(["n1", "n4"]), votersOutgoing: ["n1", "n2"] };

type Row = readonly [string, Configuration, readonly MemberChange[], Transition, Partial<Configuration>];

describe("a change of the configuration", () => {
  const rows: readonly Row[] = [
    ["one voter is added", three, [voter("n4")], "auto", { voters: ["n1", "n2", "n3", "n4"] }],
    ["one voter is removed", three, [removal("n1")], "auto", { voters: ["n2", "n3"] }],
    ["one learner is added", three, [learner("n4")], "auto", { learners: ["n4"] }],
    [
      "one learner is promoted",
      withLearner,
      [voter("n4")],
      "auto",
      { voters: ["n1", "n2", "n3", "n4"], learners: [] },
    ],
    ["one voter is demoted", three, [learner("n3")], "auto", { voters: ["n1", "n2"], learners: ["n3"] }],
    ["one learner is removed", withLearner, [removal("n4")], "auto", { learners: [] }],
    ["what is so already", withLearner, [learner("n4")], "auto", { learners: ["n4"] }],
    ["a stranger is removed", three, [removal("n9")], "auto", {}],
    [
      "two at once",
      three,
      [voter("n4"), removal("n1")],
      "auto",
      { voters: ["n2", "n3", "n4"], votersOutgoing: ["n1", "n2", "n3"], autoLeave: true },
    ],
    [
      "one by a joint configuration",
      three,
      [voter("n4")],
      "implicit",
      { voters: ["n1", "n2", "n3", "n4"], votersOutgoing: ["n1", "n2", "n3"], autoLeave: true },
    ],
    [
      "one by a joint configuration that stays",
      three,
      [removal("n3")],
      "explicit",
      { voters: ["n1", "n2"], votersOutgoing: ["n1", "n2", "n3"] },
    ],
    [
      "a voter is demoted with another change",
      withLearner,
      [learner("n3"), voter("n4")],
      "auto",
      {
        voters: ["n1", "n2", "n4"],
        votersOutgoing: ["n1", "n2", "n3"],
        learners: [],
        learnersNext: ["n3"],
        autoLeave: true,
      },
    ],
    [
      "the last word on a member counts",
      three,
      [learner("n3"), voter("n3"), voter("n4"), learner("n4")],
      "auto",
      { votersOutgoing: ["n1", "n2", "n3"], learners: ["n4"], autoLeave: true },
    ],
  ];
  test.each(rows)("%s", (_, current, changes, transition, expected) => {
    const changed = changedConfiguration(current, changes, transition);
    expect(changed).toEqual({ kind: "changed", configuration: { ...current, ...expected } });
  });

  test.each([
    ["G7: nobody would be left", configurationOf(["n1"]), [removal("n1")], "no voter would be left"],
    ["only learners would be left", configurationOf(["n1"]), [learner("n1")], "no voter would be left"],
    ["it is joint", joint, [voter("n5")], "left first"],
    ["nothing changes", three, [], "nothing"],
    ["an id is empty", three, [voter("")], "empty"],
  ] as const)("is refused: %s", (_, current, changes, fault) => {
    expect(changedConfiguration(current, changes, "auto")).toMatchObject({
      kind: "fault",
      fault: expect.stringContaining(fault),
    });
  });

  test("a joint configuration is left with its next learners", () => {
    const left = leftConfiguration({ ...joint, learners: ["n3"], learnersNext: ["n2"], autoLeave: true });
    expect(left).toEqual({ ...configurationOf(["n1", "n4"]), learners: ["n2", "n3"] });
    expect(leftConfiguration(left)).toBe(left);
  });
});

describe("a step from one configuration to the next", () => {
  test.each<readonly [string, Configuration, Configuration, string | null]>([
    ["one voter more", three, configurationOf(["n1", "n2", "n3", "n4"]), null],
    ["one voter less", three, configurationOf(["n1", "n3"]), null],
    ["learners alone", three, { ...three, learners: ["n4", "n5"] }, null],
    ["into a joint one", configurationOf(["n1", "n2"]), joint, null],
    ["out of a joint one", joint, configurationOf(["n4", "n1"]), null],
    ["a voter for another", three, configurationOf(["n1", "n2", "n4"]), "more than one voter"],
    ["into a joint one of others", three, joint, "outgoing"],
    ["from joint to joint", joint, { ...joint, autoLeave: true }, "left first"],
    ["back out of a joint one", joint, configurationOf(["n1", "n2"]), "left first"],
    ["to nobody", three, configurationOf([]), "no voter"],
  ])("%s", (_, current, next, fault) => {
    const found = configurationStepFault(current, next);
    expect(found === null).toBe(fault === null);
    expect(found ?? "").toContain(fault ?? "");
  });

  test("each majority of the one and of the other have a member in common, whatever is changed", () => {
    const random = seededRandom(5);
    const ids = ["n1", "n2", "n3", "n4", "n5"];
    const votes = allVotes(ids);
    const kinds = ["add_voter", "add_learner", "remove"] as const;
    let current: Configuration = three;
    for (let step = 0; step < 2_000; step += 1) {
      const changes = Array.from({ length: 1 + random.below(3) }, (): MemberChange => {
        return { kind: kinds[random.below(3)] ?? "remove", id: ids[random.below(5)] ?? "n1" };
      });
      const changed = changedConfiguration(current, changes, random.below(2) === 0 ? "auto" : "explicit");
      const next = changed.kind === "changed" ? changed.configuration : leftConfiguration(current);
      const faults = [configurationFault(next), configurationStepFault(current, next)];
      expect([...faults, haveDisjointQuorums(current, next, votes)]).toEqual([null, null, false]);
      current = next;
    }
  });
});

type Votes = ReadonlyMap<string, boolean>;

/** Each set of members voting for something, and the rest of them for another thing. */
function allVotes(ids: readonly string[]): readonly { readonly chosen: Votes; readonly others: Votes }[] {
  return Array.from({ length: 2 ** ids.length }, (_, bits) => {
    const chosen = new Map(ids.map((id, at) => [id, (bits & (1 << at)) !== 0]));
    return { chosen, others: new Map([...chosen].map(([id, isChosen]) => [id, !isChosen])) };
  });
}

/** Whether some set of members decides in the one, and the rest of them in the other. */
function haveDisjointQuorums(
  left: Configuration,
  right: Configuration,
  votes: ReturnType<typeof allVotes>,
): boolean {
  return votes.some(
    ({ chosen, others }) => voteResult(left, chosen) === "won" && voteResult(right, others) === "won",
  );
}
