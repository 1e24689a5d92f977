import type { Configuration, MemberChange, MemberId, Transition } from "@quorate/services/raft";
import { assert } from "@quorate/services/std";
import { memberIdOf, numberOf } from "./vocabulary";

/** `(1 2)&&(1 2 3) learners=(4) learners_next=(3) autoleave`: as etcd-io/raft writes it, with what is empty left out. */
export function configurationText(configuration: Configuration): string {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = configuration;
  const parts = [list(voters) + (votersOutgoing.length === 0 ? "" : `&&${list(votersOutgoing)}`)];
  if (learners.length > 0) parts.push(`learners=${list(learners)}`);
  if (learnersNext.length > 0) parts.push(`learners_next=${list(learnersNext)}`);
  if (autoLeave) parts.push("autoleave");
  return parts.join(" ");
}

export function configurationOfText(text: string): Configuration {
  const [, voters, votersOutgoing, learners, learnersNext, autoLeave] = FORM.exec(text) ?? [];
  assert(voters !== undefined, "a configuration is written in its form");
  return {
    voters: ids(voters),
    votersOutgoing: ids(votersOutgoing),
    learners: ids(learners),
    learnersNext: ids(learnersNext),
    autoLeave: autoLeave !== undefined,
  };
}

/** `v4 l5 r1`: 4 is to vote, 5 to learn, 1 to be removed. null for a word that says nothing of the kind. */
export function memberChangesOf(text: string): readonly MemberChange[] | null {
  const changes: MemberChange[] = [];
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    const [, letter = "", number = ""] = /^([vlr])([1-9]\d*)$/.exec(word) ?? [];
    const kind = changeKinds[letter];
    if (kind === undefined) return null;
    changes.push({ kind, id: memberIdOf(Number(number)) });
  }
  return changes;
}

export const transitions = ["auto", "implicit", "explicit"] as const satisfies readonly Transition[];

const changeKinds: Readonly<Record<string, MemberChange["kind"]>> = {
  v: "add_voter",
  l: "add_learner",
  r: "remove",
};

const FORM =
  /^\(([\d ]*)\)(?:&&\(([\d ]+)\))?(?: learners=\(([\d ]+)\))?(?: learners_next=\(([\d ]+)\))?( autoleave)?$/;

function list(members: readonly MemberId[]): string {
  return `(${members.map(numberOf).join(" ")})`;
}

function ids(numbers: string | undefined): readonly MemberId[] {
  if (numbers === undefined || numbers === "") return [];
  return numbers.split(" ").map((number) => memberIdOf(Number(number)));
}
