import type { Mutation } from "./mutation";

/** The model of every answer and every change would find most of these first. */
const MODEL = ["the same answer", "what a command changes"] as const;

/** Bugs of transactions, leases, namespaces, quotas and history. */
export const modelMutations: readonly Mutation[] = [
  {
    name: "txn-compare-ignores-missing-keys",
    why: "A compare holds for a key that is not there, whatever it says.",
    edits: [
      {
        file: "services/kv/txn-compare.ts",
        find: "    if (record === null) return false;\n",
        replace: "    if (record === null) return true;\n",
      },
    ],
    expected: ["the same answer"],
  },
  {
    name: "txn-compare-ignores-mod-revision",
    why: "A compare of the mod_revision always holds, so that what was read may have changed since; nobody compares answers.",
    edits: [
      {
        file: "services/kv/txn-compare.ts",
        find: "  const property = BigInt(record === null ? 0 : record[target.$case]);\n",
        replace:
          '  if (target.$case === "modRevision") return true;\n  const property = BigInt(record === null ? 0 : record[target.$case]);\n',
      },
    ],
    expected: ["strictly serializable"],
    muted: MODEL,
  },
  {
    name: "txn-reads-the-state-before",
    why: "An operation of a Txn does not see what the ones before it did; nobody compares answers.",
    edits: [
      {
        file: "services/kv/batch.ts",
        find: "    if (staged !== undefined) return staged.after;\n",
        replace: "    if (staged !== undefined) return staged.before;\n",
      },
    ],
    expected: ["crash", "strictly serializable"],
    muted: MODEL,
  },
  {
    name: "refused-txn-is-not-rolled-back",
    why: "What a Txn did before one of its operations was refused stays.",
    edits: [
      {
        file: "services/kv/machine.ts",
        find: "    batch.abort();\n",
        replace: "    batch.end();\n",
      },
    ],
    expected: ["what a command changes", "the same answer"],
  },
  {
    name: "nested-txn-refused-alone",
    why: "A Txn within a Txn that is refused does not refuse the outer one, and what it did stays.",
    edits: [
      {
        file: "services/kv/txn.ts",
        find: '        if (nested.$case === "refused") return nested;\n',
        replace: '        if (nested.$case === "refused") continue;\n',
      },
    ],
    expected: ["the same answer"],
  },
  {
    name: "lease-ends-a-tick-early",
    why: "A lease ends at the Tick before its time is up; nobody compares answers.",
    edits: [
      {
        file: "services/kv/lease-table.ts",
        find: "      if (lease.deadlineMs <= timeMs) expired.push",
        replace: "      if (lease.deadlineMs <= timeMs + 250) expired.push",
      },
      {
        file: "services/kv/lease-table.ts",
        find: "    if (timeMs < this.deadlineMsMin) return [];\n",
        replace: "",
      },
    ],
    expected: ["a lease never ends early"],
    muted: MODEL,
  },
  {
    name: "lease-counts-before-its-renewal",
    why: "The deadline of a lease counts from the Tick before its renewal, not from the one after it.",
    edits: [
      {
        file: "services/kv/lease-table.ts",
        find: "    if (lease.deadlineMs !== null) {\n      lease.deadlineMs = null;\n",
        replace: "    if (lease.deadlineMs === null) {\n      lease.deadlineMs = null;\n",
      },
    ],
    expected: ["what a command changes", "the same answer"],
  },
  {
    name: "leases-reset-by-a-leader-change",
    why: "The first Tick of a new leader gives every lease its whole time to live again; nobody compares answers.",
    edits: [
      {
        file: "services/kv/machine.ts",
        find: "    this.leases.tick(timeMs);\n",
        replace:
          "    if (elapsedMs === 0) {\n      for (const { leaseId, namespaceId } of this.leases.resident().leases) this.leases.renew(leaseId, namespaceId);\n    }\n    this.leases.tick(timeMs);\n",
      },
    ],
    expected: ["a lease ends when its time is up"],
    muted: MODEL,
  },
  {
    name: "keys-of-a-lease-go-one-by-one",
    why: "Each key of a lease that ends goes with a revision of its own; nobody compares answers.",
    edits: [
      {
        file: "services/kv/lease-operations.ts",
        find: "    batch.delete(newest);\n",
        replace: "    batch.delete(newest);\n    batch.end();\n    batch.begin(namespace, origin);\n",
      },
    ],
    expected: ["the keys of a lease go together"],
    muted: MODEL,
  },
  {
    name: "lease-keys-are-not-stored",
    why: "Which keys a lease has is not stored, so that a member that starts again does not delete them.",
    edits: [
      {
        file: "services/kv/lease-table.ts",
        find: "(isAttached ? leaseKeysAttached : leaseKeysDetached).push(leaseKey);",
        replace: "if (!isAttached) leaseKeysDetached.push(leaseKey);",
      },
    ],
    expected: ["crash", "equal state"],
  },
  {
    name: "lease-outlives-restart",
    why: "A member that starts again does not know when the leases that it loads end.",
    edits: [
      {
        file: "services/kv/lease-table.ts",
        find: "    else this.deadlineMsMin = Math.min(this.deadlineMsMin, lease.deadlineMs);\n    return lease;",
        replace: "    return lease;",
      },
    ],
    expected: ["equal state"],
  },
  {
    name: "truncate-keeps-lease-attachments",
    why: "The keys of an emptied namespace stay attached to their leases.",
    edits: [
      {
        file: "services/kv/batch.ts",
        find: "    this.leases.truncated(namespace.id);\n",
        replace: "",
      },
    ],
    expected: ["crash", "equal state"],
  },
  {
    name: "quota-counts-growth-twice",
    why: "What a write adds counts twice against the quota.",
    edits: [
      {
        file: "services/kv/namespace.ts",
        find: "keysDelta > 0 && keyCount + keysDelta > keysMax",
        replace: "keysDelta > 0 && keyCount + 2 * keysDelta > keysMax",
      },
    ],
    expected: ["the same answer"],
  },
  {
    name: "namespace-id-is-used-again",
    why: "A namespace that is created gets the id of the last one that was deleted.",
    edits: [
      {
        file: "services/kv/namespace-table.ts",
        find: "    this.deleted.push({ id, generation });\n",
        replace: "    this.deleted.push({ id, generation });\n    this.nextId = Math.min(this.nextId, id);\n",
      },
    ],
    expected: ["the same answer", "crash"],
  },
  {
    name: "deleted-namespace-keeps-sessions",
    why: "The sessions of a deleted namespace live on.",
    edits: [
      {
        file: "services/kv/namespace-operations.ts",
        find: "  tables.sessions.endNamespace(namespace.id);\n",
        replace: "",
      },
    ],
    expected: ["what a command changes"],
  },
  {
    name: "compaction-gives-up-one-too-many",
    why: "The revision that a compaction was to keep can no longer be read.",
    edits: [
      {
        file: "services/replica/read-points.ts",
        find: "request.revision < oldestRevision) {",
        replace: "request.revision <= oldestRevision) {",
      },
    ],
    expected: ["history is there until it is given up"],
  },
  {
    name: "compaction-keeps-its-last-event",
    why: "The event of the revision that a compaction kept for reading can still be asked for, though it is given up.",
    edits: [
      {
        file: "services/kv/namespace.ts",
        find: "this.state.firstEventRevision = revision + 1;",
        replace: "this.state.firstEventRevision = revision;",
      },
    ],
    expected: ["what a command changes"],
  },
  {
    name: "history-is-kept-half-as-long",
    why: "A leader gives up all but half of the revisions that are to be kept.",
    edits: [
      {
        file: "services/replica/history-keeper.ts",
        find: "const target = revision - revisionsMax;",
        replace: "const target = revision - Math.ceil(revisionsMax / 2);",
      },
    ],
    expected: ["history is there until it is given up"],
  },
  {
    name: "namespace-created-anew-has-a-past",
    why: "A namespace that is created under the name of a deleted one answers for the time before, with nothing.",
    edits: [
      {
        file: "services/kv/namespace-table.ts",
        find: "oldestRevision: revision, firstEventRevision: revision + 1",
        replace: "oldestRevision: 0, firstEventRevision: 0",
      },
    ],
    expected: ["history is there until it is given up", "a watch tells the committed order"],
    muted: MODEL,
  },
];
