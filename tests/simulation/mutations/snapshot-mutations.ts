import type { Mutation } from "./mutation";

/** Bugs where states are sent and installed, and logs are cut. */
export const snapshotMutations: readonly Mutation[] = [
  {
    name: "log-is-cut-above-the-checkpoint",
    why: "The log is cut up to what is applied, though a crash may take the state back behind that.",
    edits: [
      {
        file: "services/replica/log-keeper.ts",
        find: "Math.min(wanted, checkpointIndex, appliedIndex, needed)",
        replace: "Math.min(wanted, appliedIndex, needed)",
      },
    ],
    expected: ["the log is cut behind the checkpoint"],
  },
  {
    name: "checkpoint-is-told-before-it-is-durable",
    why: "The store says that all it has written is safe from crashes.",
    edits: [
      {
        file: "services/memory/state-store.ts",
        find: "return this.disk.checkpointIndex;",
        replace: "return this.disk.applied.index;",
      },
    ],
    expected: ["the log is cut behind the checkpoint"],
  },
  {
    name: "log-reset-before-the-install",
    why: "The log is reset before the state that it is to go on from is in place.",
    edits: [
      {
        file: "services/replica/snapshot-installer.ts",
        find: "if (log.term(last.index) !== last.term) await log.reset(last);",
        replace: "",
      },
      {
        file: "services/replica/snapshot-installer.ts",
        find: 'assert(raft.status().commit < last.index, "nothing is committed while the core stands still");',
        replace: "if (log.term(last.index) !== last.term) await log.reset(last);",
      },
    ],
    expected: ["the log is cut behind the checkpoint"],
  },
  {
    name: "installed-state-is-not-durable",
    why: "A state that was installed may go with a crash, while the log goes on after it.",
    edits: [
      {
        file: "services/memory/state-disk.ts",
        find: "this.damaged = false;\n    this.checkpoint();",
        replace: "this.damaged = false;",
      },
    ],
    expected: ["the log is cut behind the checkpoint"],
  },
  {
    name: "install-keeps-a-conflicting-log",
    why: "A log that does not hold what the installed state has applied stays as it is.",
    edits: [
      {
        file: "services/replica/snapshot-installer.ts",
        find: "if (log.term(last.index) !== last.term) await log.reset(last);",
        replace: "",
      },
    ],
    expected: ["crash"],
  },
  {
    name: "older-state-is-installed",
    why: "A state is installed though this member has applied more meanwhile.",
    edits: [
      {
        file: "services/replica/snapshot-installer.ts",
        find: "image.applied.index > applier.applied.index;",
        replace: "image.applied.index > 0;",
      },
    ],
    expected: ["a snapshot leads forward"],
    profile: "laggards",
  },
  {
    name: "installed-state-keeps-the-old-configuration",
    why: "The configuration that came with a state is not taken up.",
    edits: [
      {
        file: "services/raft/member.ts",
        find: "this.snapshotOffer = null;\n    this.configure(configuration);",
        replace: "this.snapshotOffer = null;",
      },
    ],
    expected: ["a member knows its configuration"],
    profile: "churn",
  },
  {
    name: "snapshot-is-offered-once",
    why: "A snapshot is offered once, and never again where the offer was lost.",
    edits: [
      {
        file: "services/raft/leader.ts",
        find: "this.replication.sendSnapshot(id, progress);",
        replace: "",
      },
    ],
    expected: ["liveness"],
    profile: "laggards",
  },
  {
    name: "image-lacks-session-answers",
    why: "The answers that sessions keep are not part of an image.",
    edits: [
      {
        file: "services/memory/state-contents.ts",
        find: 'yield { kind: "answer", answer };',
        replace: "void answer;",
      },
    ],
    expected: ["equal state"],
  },
  {
    name: "backup-lacks-session-answers",
    why: "The answers that sessions keep are not part of an image, and nobody takes one but for a backup.",
    edits: [
      {
        file: "services/memory/state-contents.ts",
        find: 'yield { kind: "answer", answer };',
        replace: "void answer;",
      },
    ],
    expected: ["a restored cluster is as its backup"],
    profile: "calm",
  },
  {
    name: "image-lacks-leases",
    why: "Leases are not part of an image, and nobody compares states.",
    edits: [
      {
        file: "services/memory/state-contents.ts",
        find: 'yield { kind: "lease", lease };',
        replace: "void lease;",
      },
    ],
    expected: ["crash", "equal roots", "the same answer", "a stale read is some real prefix"],
    muted: ["equal state"],
  },
  {
    name: "image-is-not-frozen",
    why: "An image is of the state as it changes while it is read.",
    edits: [
      {
        file: "services/memory/state-disk.ts",
        find: "return this.present.copy();",
        replace: "return this.present;",
      },
    ],
    expected: ["equal state", "equal roots", "damage is found and repaired", "crash"],
  },
  {
    name: "resumed-image-skips-a-chunk",
    why: "An image that is gone on with goes on one chunk too late.",
    edits: [
      {
        file: "services/memory/state-image.ts",
        find: "const skipped = after === null ? 0 : countAt(after);",
        replace: "const skipped = after === null ? 0 : countAt(after) + CHUNK_ROWS;",
      },
      {
        file: "services/memory/state-image.ts",
        find: "if (countAt(chunk.position) !== rowsBefore + rows.length) {",
        replace: "if (countAt(chunk.position) < rowsBefore) {",
      },
    ],
    expected: ["equal state"],
    profile: "laggards",
  },
  {
    name: "watch-goes-on-over-an-installed-state",
    why: "Watches are not told that another state was installed, and miss what led to it.",
    edits: [
      {
        file: "services/watch/hub.ts",
        find: "for (const watch of [...this.watches]) watch.stateReplaced(before);",
        replace: "void before;",
      },
    ],
    expected: ["a watch tells the committed order", "crash"],
    profile: "laggards",
  },
];
