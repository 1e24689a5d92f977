import { assert, compareStrings } from "#std";
import type { MemberId } from "./entry";

/**
 * Who takes part (thesis chapter 4). While `votersOutgoing` is not empty the configuration is joint: every decision
 * needs a majority of `voters` and one of `votersOutgoing`. Voters and learners have no member in common.
 */
export interface Configuration {
  readonly voters: readonly MemberId[];
  readonly votersOutgoing: readonly MemberId[];
  readonly learners: readonly MemberId[];
  /** Outgoing voters that become learners when the joint configuration is left. */
  readonly learnersNext: readonly MemberId[];
  /** Whether the leader leaves a joint configuration by itself. */
  readonly autoLeave: boolean;
}

/** A configuration of voters alone. */
export function configurationOf(voters: readonly MemberId[]): Configuration {
  return { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
}

/** Whether it is that of a member which knows of nobody yet, itself included. */
export function hasNoMembers({ voters, votersOutgoing, learners, learnersNext }: Configuration): boolean {
  return voters.length + votersOutgoing.length + learners.length + learnersNext.length === 0;
}

/** What is wrong with a configuration, in words, or null when it is sound. */
export function configurationFault(configuration: Configuration): string | null {
  const { voters, votersOutgoing, learners, learnersNext } = configuration;
  for (const group of [voters, votersOutgoing, learners, learnersNext]) {
    if (group.some((id) => id.length === 0)) return "a member id is empty";
    if (new Set(group).size !== group.length) return "a member id occurs twice";
  }
  if (voters.length === 0) return "no voter would be left";
  if (learners.some((id) => voters.includes(id) || votersOutgoing.includes(id)))
    return "a learner is also a voter";
  if (learnersNext.some((id) => !votersOutgoing.includes(id)))
    return "a next learner is not an outgoing voter";
  if (learnersNext.some((id) => voters.includes(id))) return "a next learner is also a voter that stays";
  if (configuration.autoLeave && votersOutgoing.length === 0)
    return "only a joint configuration is left by itself";
  return null;
}

/** A configuration as the core asks about it: each list sorted, membership in constant time. */
export class Membership {
  readonly configuration: Configuration;
  /** Voters of both halves, sorted: who is asked for a vote. */
  readonly voterIds: readonly MemberId[];
  /** Voters and learners, sorted: who is sent entries. */
  readonly memberIds: readonly MemberId[];
  private readonly voterSet: ReadonlySet<MemberId>;
  private readonly memberSet: ReadonlySet<MemberId>;

  constructor(configuration: Configuration) {
    const isSound = hasNoMembers(configuration) || configurationFault(configuration) === null;
    assert(isSound, "the configuration is sound");
    this.configuration = {
      voters: sorted(configuration.voters),
      votersOutgoing: sorted(configuration.votersOutgoing),
      learners: sorted(configuration.learners),
      learnersNext: sorted(configuration.learnersNext),
      autoLeave: configuration.autoLeave,
    };
    this.voterSet = new Set([...configuration.voters, ...configuration.votersOutgoing]);
    this.memberSet = new Set([...this.voterSet, ...configuration.learners]);
    this.voterIds = sorted([...this.voterSet]);
    this.memberIds = sorted([...this.memberSet]);
  }

  isVoter(id: MemberId): boolean {
    return this.voterSet.has(id);
  }

  isMember(id: MemberId): boolean {
    return this.memberSet.has(id);
  }

  /** Whether one member alone decides. */
  get isSingleVoter(): boolean {
    return this.configuration.voters.length === 1 && this.configuration.votersOutgoing.length === 0;
  }
}

function sorted(ids: readonly MemberId[]): readonly MemberId[] {
  return [...ids].sort(compareStrings);
}
