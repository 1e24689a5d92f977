import type { Edit, Mutation } from "./mutation";

/** A joint configuration is left within an election timeout, not at once, so that more of what is wrong with it shows. */
const jointForLong: readonly Edit[] = [
  {
    file: "services/raft/leader.ts",
    find: "- payloadBytes);\n    this.leaveJoint();",
    replace: "- payloadBytes);",
  },
  {
    file: "services/raft/leader.ts",
    find: "handed over.\n      this.leaveJoint();",
    replace: "handed over.\n      if (member.electionElapsedTicks === 5) this.leaveJoint();",
  },
];

/** Peers do not refuse whom they know to be removed. */
const removedOnesAreHeard: readonly Edit[] = [
  {
    file: "services/faults/network.ts",
    find: 'if (retiredStores.includes(from.storeId)) return "removed";',
    replace: "",
  },
  {
    file: "services/faults/network.ts",
    find: 'if (!isMember && from.membership.epoch <= epoch) return "refused";',
    replace: "",
  },
];

/** Bugs where members come and go. */
export const membershipMutations: readonly Mutation[] = [
  {
    name: "learners-commit",
    why: "What a learner acknowledges counts like what a voter does.",
    edits: [
      {
        file: "services/raft/quorum.ts",
        find: "majorityIndex(configuration.voters, acknowledged),",
        replace: `[...configuration.voters, ...configuration.learners]
      .map(acknowledged)
      .sort((left, right) => right - left)[Math.floor(configuration.voters.length / 2)] as Index,`,
      },
    ],
    expected: ["commit by a durable majority", "read quorum"],
    profile: "churn",
  },
  {
    name: "joint-commit-by-one-half",
    why: "In a joint configuration, which is left late, a majority of the new voters commits alone.",
    edits: [
      ...jointForLong,
      {
        file: "services/raft/quorum.ts",
        find: "majorityIndex(configuration.votersOutgoing, acknowledged),",
        replace: "Number.POSITIVE_INFINITY,",
      },
    ],
    expected: ["commit by a durable majority", "read quorum"],
    profile: "churn",
  },
  {
    name: "joint-election-by-one-half",
    why: "In a joint configuration, which is left late, a majority of the new voters elects alone.",
    edits: [
      ...jointForLong,
      {
        file: "services/raft/quorum.ts",
        find: "const outgoing = majorityVote(configuration.votersOutgoing, votes);",
        replace: 'const outgoing: VoteResult = "won";',
      },
    ],
    expected: ["elected by a majority", "a snapshot leads forward"],
    profile: "churn",
    muted: ["a voter has caught up"],
  },
  {
    name: "joint-configuration-is-kept",
    why: "A joint configuration is not left unless somebody asks for it.",
    edits: [
      {
        file: "services/raft/leader.ts",
        find: "if (!membership.configuration.autoLeave ||",
        replace: "if (membership.configuration.votersOutgoing.length >= 0 ||",
      },
    ],
    expected: ["liveness"],
    profile: "churn",
  },
  {
    name: "next-learners-are-forgotten",
    why: "Voters that were to learn are out of the cluster when the joint configuration is left.",
    edits: [
      {
        file: "services/raft/configuration-change.ts",
        find: "learners: sorted([...current.learners, ...current.learnersNext]),",
        replace: "learners: current.learners,",
      },
    ],
    expected: ["equal state", "a configuration follows on the one before"],
    profile: "churn",
  },
  {
    name: "several-voters-change-at-once",
    why: "Several voters change in one step, without a joint configuration.",
    edits: [
      {
        file: "services/raft/configuration-change.ts",
        find: 'const becomesJoint = transition !== "auto" || changes.length > 1;',
        replace: 'const becomesJoint = transition !== "auto";',
      },
      {
        file: "services/raft/configuration-change.ts",
        find: "differenceCount(current.voters, next.voters) <= 1",
        replace: "differenceCount(current.voters, next.voters) <= 9",
      },
    ],
    expected: ["a configuration follows on the one before"],
    profile: "churn",
  },
  {
    name: "second-change-while-one-is-pending",
    why: "A change of the configuration is proposed while another is not applied yet.",
    edits: [
      {
        file: "services/raft/leader.ts",
        find: 'if (this.pendingConfigurationIndex > log.applied) return { kind: "configuration_pending" };',
        replace: "",
      },
    ],
    expected: ["one change of the configuration at a time", "a configuration follows on the one before"],
    profile: "churn",
  },
  {
    name: "removed-leader-counts-itself",
    why: "A leader that was removed goes on, to which its peers still listen, and counts itself as a voter.",
    edits: [
      ...removedOnesAreHeard,
      {
        file: "services/replica/replica.ts",
        find: "if (this.participation.changed(membership, this.isLeader)) this.wasRemoved();",
        replace: "if (this.participation.changed(membership, false) && !this.isLeader) this.wasRemoved();",
      },
      {
        file: "services/raft/member.ts",
        find: "this.membership = new Membership(configuration);",
        replace: `const { voters, votersOutgoing, learners } = configuration;
    const isOut =
      this.role.name === "leader" && ![...voters, ...votersOutgoing, ...learners].includes(this.id);
    this.membership = new Membership(isOut ? { ...configuration, voters: [...voters, this.id] } : configuration);`,
      },
    ],
    expected: ["liveness", "commit by a durable majority", "read quorum"],
    profile: "churn",
    muted: ["a removed member is not listened to", "a member knows its configuration"],
  },
  {
    name: "promotion-without-catching-up",
    why: "A learner is made a voter however much it lacks.",
    edits: [
      {
        file: "services/replica/membership-keeper.ts",
        find: "const CATCH_UP_LAG_MAX = 256;",
        replace: "const CATCH_UP_LAG_MAX = 1_000_000;",
      },
      {
        file: "services/replica/membership-keeper.ts",
        find: "storeId !== null && found !== null && found.match > 0 &&",
        replace: "found !== null &&",
      },
    ],
    expected: ["a voter has caught up"],
    profile: "churn",
  },
  {
    name: "retired-stores-are-forgotten",
    why: "Which directories belonged to removed members is not remembered.",
    edits: [
      {
        file: "services/kv/membership-table.ts",
        find: "retiredStores: [...new Set([...this.present.retiredStores, ...retired])].slice(-RETIRED_STORES_MAX),",
        replace: "retiredStores: this.present.retiredStores,",
      },
    ],
    expected: ["what a command changes"],
    profile: "churn",
  },
  {
    name: "removed-member-is-heard",
    why: "Peers go on listening to whom they know to be removed.",
    edits: removedOnesAreHeard,
    expected: ["a removed member is not listened to", "liveness"],
    profile: "churn",
  },
  {
    name: "followers-keep-the-old-configuration",
    why: "Only leaders take up a configuration that was applied.",
    edits: [
      {
        file: "services/replica/replica.ts",
        find: "if (configuration !== null) this",
        replace: "if (configuration !== null && this.isLeader) this",
      },
    ],
    expected: ["a member knows its configuration"],
    profile: "churn",
  },
];
