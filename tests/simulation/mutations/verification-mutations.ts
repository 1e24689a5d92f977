import type { Mutation } from "./mutation";

/** Bugs where replicas are compared and repair themselves. */
export const verificationMutations: readonly Mutation[] = [
  {
    name: "deletes-mark-no-bucket",
    why: "A bucket that a key was deleted from is not hashed again.",
    edits: [
      {
        file: "services/verification/bucket-map.ts",
        find: 'case "delete":\n          this.mark(change, change.key);',
        replace: 'case "delete":',
      },
    ],
    expected: ["equal roots", "damage is found and repaired"],
    profile: "damage",
  },
  {
    name: "unchanged-buckets-are-never-read-again",
    why: "Only what was written to is hashed again, so what a disk does to the rest is never found.",
    edits: [
      {
        file: "services/verification/round-hasher.ts",
        find: "return isBehind(bucket) || (at >= first && at < end) || bucket.hashedAt + 2 * share < this.input.freeze;",
        replace: "return isBehind(bucket) || at < first - end;",
      },
    ],
    expected: ["damage is found and repaired", "damage shows in the root", "equal state"],
    profile: "damage",
  },
  {
    name: "leader-is-always-believed",
    why: "A member that differs from its leader takes over what that has, without asking anybody else.",
    edits: [
      {
        file: "services/verification/follower-comparison.ts",
        find: "const others = votersOf(configuration).filter((member) => member !== self.id && member !== leaderId);",
        replace: `const others = votersOf(configuration).filter((member) => member !== self.id && member !== leaderId);
  if (roots.size > 0) return { kind: "wrong", from: leaderId, differsBeside: false };`,
      },
    ],
    expected: ["damage is found and repaired"],
    profile: "damage",
  },
  {
    name: "one-voter-is-a-majority",
    why: "Any root that some voter has counts as that of the majority.",
    edits: [
      {
        file: "services/verification/judgement.ts",
        find: "2 * of.filter((member) => hex.get(member) === root).length > of.length;",
        replace: "of.some((member) => hex.get(member) === root);",
      },
    ],
    expected: ["damage is found and repaired"],
    profile: "damage",
  },
  {
    name: "repair-amid-batches",
    why: "Records are put right while batches are applied.",
    edits: [
      {
        file: "services/verification/self-repair.ts",
        find: "await this.replica.exclusive((point) => this.repairAt(point, some, from, revision));",
        replace: `await this.replica
        .exclusive((point) => Promise.resolve(point))
        .then((point) => this.repairAt(point, some, from, revision));`,
      },
    ],
    expected: ["crash", "equal state"],
    profile: "damage",
  },
  {
    name: "values-are-not-hashed",
    why: "The hash of a record depends on the length of its value only.",
    edits: [
      {
        file: "services/verification/hashes.ts",
        find: ".text(value);",
        replace: ".number(value.length);",
      },
    ],
    expected: ["damage shows in the root", "damage is found and repaired"],
    profile: "damage",
  },
];
