import { compareStrings, unreachable } from "#std";
import { type Configuration, configurationFault } from "./configuration";
import type { MemberId } from "./entry";

/** What is to become of one member. Where it is that already, nothing does. */
export type MemberChange =
  /** It votes, be it new or a learner so far. */
  | { readonly kind: "add_voter"; readonly id: MemberId }
  /** It learns, be it new or a voter so far. */
  | { readonly kind: "add_learner"; readonly id: MemberId }
  | { readonly kind: "remove"; readonly id: MemberId };

/**
 * How a change is made: "auto" in one step where it is a single one, and by a joint configuration else; "implicit" and
 * "explicit" always by a joint configuration, which the leader leaves by itself, or when it is told to.
 */
export type Transition = "auto" | "implicit" | "explicit";

export type ChangedConfiguration =
  | { readonly kind: "changed"; readonly configuration: Configuration }
  /** Such a change cannot be made now, or not at all: why, in words. */
  | { readonly kind: "fault"; readonly fault: string };

/** The configuration to propose next so that all of these changes are made, in their order (thesis 4.3). */
export function changedConfiguration(
  current: Configuration,
  changes: readonly MemberChange[],
  transition: Transition,
): ChangedConfiguration {
  if (isJoint(current)) return { kind: "fault", fault: "a joint configuration is to be left first" };
  if (changes.length === 0) return { kind: "fault", fault: "there is nothing to change" };
  const becomesJoint = transition !== "auto" || changes.length > 1;
  const draft = new Draft(current, becomesJoint);
  for (const change of changes) draft.make(change);
  const configuration = draft.configuration(becomesJoint && transition !== "explicit");
  const fault = configurationFault(configuration);
  return fault === null ? { kind: "changed", configuration } : { kind: "fault", fault };
}

/** What follows a joint configuration; any other stays as it is. */
export function leftConfiguration(current: Configuration): Configuration {
  if (!isJoint(current)) return current;
  return {
    voters: current.voters,
    votersOutgoing: [],
    learners: sorted([...current.learners, ...current.learnersNext]),
    learnersNext: [],
    autoLeave: false,
  };
}

/**
 * Why `next` may not follow `current`, in words, or null when it may: whenever it does, each majority of the one and each
 * of the other have a member in common (thesis 4.1 and 4.3).
 */
export function configurationStepFault(current: Configuration, next: Configuration): string | null {
  const fault = configurationFault(next);
  if (fault !== null) return fault;
  if (isJoint(current)) {
    return areEqual(leftConfiguration(current), next) ? null : "a joint configuration is to be left first";
  }
  if (isJoint(next)) {
    return isSameSet(next.votersOutgoing, current.voters)
      ? null
      : "the outgoing voters are not the present voters";
  }
  return differenceCount(current.voters, next.voters) <= 1
    ? null
    : "more than one voter changes without a joint configuration";
}

/** A configuration on its way to the next: as in etcd-io/raft, confchange/confchange.go. */
class Draft {
  private readonly voters: Set<MemberId>;
  private readonly outgoing: ReadonlySet<MemberId>;
  private readonly learners: Set<MemberId>;
  private readonly learnersNext = new Set<MemberId>();

  constructor(current: Configuration, becomesJoint: boolean) {
    this.voters = new Set(current.voters);
    this.outgoing = new Set(becomesJoint ? current.voters : []);
    this.learners = new Set(current.learners);
  }

  make({ kind, id }: MemberChange): void {
    this.voters.delete(id);
    this.learners.delete(id);
    this.learnersNext.delete(id);
    switch (kind) {
      case "add_voter":
        this.voters.add(id);
        return;
      case "add_learner":
        // Who still votes in the outgoing half cannot learn yet: the two would count it differently.
        if (this.outgoing.has(id)) this.learnersNext.add(id);
        else this.learners.add(id);
        return;
      case "remove":
        return;
      default:
        unreachable(kind);
    }
  }

  configuration(autoLeave: boolean): Configuration {
    return {
      voters: sorted([...this.voters]),
      votersOutgoing: sorted([...this.outgoing]),
      learners: sorted([...this.learners]),
      learnersNext: sorted([...this.learnersNext]),
      autoLeave,
    };
  }
}

function isJoint(configuration: Configuration): boolean {
  return configuration.votersOutgoing.length > 0;
}

function areEqual(left: Configuration, right: Configuration): boolean {
  return (
    isSameSet(left.voters, right.voters) &&
    isSameSet(left.votersOutgoing, right.votersOutgoing) &&
    isSameSet(left.learners, right.learners) &&
    isSameSet(left.learnersNext, right.learnersNext) &&
    left.autoLeave === right.autoLeave
  );
}

function isSameSet(left: readonly MemberId[], right: readonly MemberId[]): boolean {
  return differenceCount(left, right) === 0;
}

/** How many ids are in one of the two and not in the other. */
function differenceCount(left: readonly MemberId[], right: readonly MemberId[]): number {
  const gone = left.filter((id) => !right.includes(id)).length;
  const added = right.filter((id) => !left.includes(id)).length;
  return gone + added;
}

function sorted(ids: readonly MemberId[]): readonly MemberId[] {
  return [...ids].sort(compareStrings);
}
