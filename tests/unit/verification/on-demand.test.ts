import { expect, test } from "@jest/globals";
import type { Comparison, MemberComparison } from "@quorate/services/verification";
import { OnDemand } from "../../../services/verification/on-demand";
import type { Outcomes } from "../../../services/verification/outcomes";
import type { VerifiedReplica } from "../../../services/verification/ports";
import type { Timer } from "../../../services/verification/timer";

type Finding = "agrees" | "differs" | "not compared" | "silent";

function memberOf(member: string, finding: Finding): MemberComparison {
  return {
    member,
    isVoter: true,
    answered: finding !== "silent",
    agrees: finding === "agrees",
    differs: finding === "differs",
    root: new Uint8Array(32),
    keys: 1,
  };
}

function comparisonOf(round: number, findings: readonly Finding[]): Comparison {
  return {
    kind: "compared",
    round,
    appliedIndex: 10 * round,
    consistent: findings.includes("agrees") && !findings.includes("differs"),
    isSplit: findings.includes("differs") && !findings.includes("agrees"),
    members: findings.map((finding, at) => memberOf(`n${at + 1}`, finding)),
    diverged: [],
    divergedCount: 0,
    wholeState: [],
    bytesMoved: 0,
  };
}

/** What all rounds together say, of which each reads a part of the keys. */
async function verified(rounds: readonly (readonly Finding[])[]): Promise<Comparison> {
  let round = 0;
  const replica = {
    isLeader: true,
    proposeVerify: async () => {
      round += 1;
      return { kind: "applied", entry: { term: 1, index: round } };
    },
  } as unknown as VerifiedReplica;
  const outcomes = {
    wait: async (index: number) => comparisonOf(index, rounds[index - 1] as readonly Finding[]),
  } as unknown as Outcomes;
  const onDemand = new OnDemand(replica, outcomes, {} as Timer, () => rounds.length);
  return (await onDemand.verify()) as Comparison;
}

const SOUND: readonly Finding[] = ["agrees", "agrees", "agrees"];
const ALONE: readonly Finding[] = ["not compared", "silent", "silent"];
const SPLIT: readonly Finding[] = ["differs", "differs", "silent"];

/** Of each member what is known: that it agrees in all, that it differs, or neither. */
test.each([
  { what: "all that agree", rounds: [SOUND, SOUND], said: "= = =", consistent: true },
  { what: "one that differs in the first", rounds: [["agrees", "agrees", "differs"], SOUND], said: "= = x" },
  { what: "one that differs in the last", rounds: [SOUND, ["agrees", "differs", "agrees"]], said: "= x =" },
  {
    what: "one that was silent in the first",
    rounds: [["agrees", "agrees", "silent"], SOUND],
    said: "= = ?",
    consistent: true,
  },
  {
    what: "one that differs, and is silent then",
    rounds: [
      ["agrees", "agrees", "differs"],
      ["agrees", "agrees", "silent"],
    ],
    said: "= = x",
  },
  { what: "one that alone answers the first", rounds: [ALONE, SOUND], said: "? ? ?" },
  { what: "one that alone answers the last", rounds: [SOUND, ALONE], said: "? ? ?" },
  {
    what: "one that differs, and a leader that alone answers then",
    rounds: [["agrees", "agrees", "differs"], ALONE],
    said: "? ? x",
  },
  {
    what: "those that have no majority, and a leader that alone answers then",
    rounds: [SPLIT, ALONE],
    said: "x x ?",
  },
] as const)(
  "of $what in rounds for all keys, no more is told than is known",
  async ({ rounds, said, ...rest }) => {
    const { consistent, members } = await verified(rounds);
    const told = members.map(({ agrees, differs }) => (differs ? "x" : agrees ? "=" : "?"));
    expect([told.join(" "), consistent]).toEqual([said, "consistent" in rest]);
  },
);
