import type { Mutation } from "./mutation";

/** Bugs where the cores meet the disks and the callers. */
export const replicaMutations: readonly Mutation[] = [
  {
    name: "reads-in-a-round-are-not-counted",
    why: "Only the reads that wait for a round are bounded: those of a round without an answer grow without end.",
    edits: [
      {
        file: "services/replica/reads.ts",
        find: "if (this.openCount >= this.options.waitingMax)",
        replace: "if (this.waiting.size >= this.options.waitingMax)",
      },
    ],
    expected: ["bounded memory"],
  },
  {
    name: "log-is-not-synced",
    why: "What is appended to the log is not synced before it counts as durable.",
    edits: [
      {
        file: "services/replica/persister.ts",
        find: "this.log.append({ entries: mergedEntries(group), hardState }, { sync: true })",
        replace: "this.log.append({ entries: mergedEntries(group), hardState }, { sync: false })",
      },
    ],
    expected: ["commit by a durable majority", "promises survive a restart"],
  },
  {
    name: "late-write-of-an-old-vote",
    why: "A commit index that was put off is written later with the term and vote of its time, over newer ones.",
    edits: [
      {
        file: "services/replica/persister.ts",
        find: "const hardState = lastHardState(group) ?? this.lazyHardState;",
        replace: "const hardState = this.lazyHardState ?? lastHardState(group);",
      },
    ],
    expected: ["a vote is stored before it is given", "promises survive a restart", "elected by a majority"],
  },
  {
    name: "readys-overtake",
    why: "A Ready that needs no write is reported durable while an earlier one is still being written.",
    edits: [
      {
        file: "services/replica/persister.ts",
        find: "if (!this.isWriting && !mustWrite(ready)) {",
        replace: "if (!mustWrite(ready)) {",
      },
    ],
    expected: ["crash", "applied <= committed <= last"],
  },
  {
    name: "apply-before-the-log",
    why: "Committed entries are applied while they are still being written to this member's own log.",
    edits: [
      {
        file: "services/replica/options.ts",
        find: "appliesOnlyDurable: true,",
        replace: "appliesOnlyDurable: false,",
      },
    ],
    expected: ["applied <= committed <= last"],
  },
  {
    name: "applied-index-runs-ahead",
    why: "The state is stored with the index of the entry after the last one applied, so that a restart skips it.",
    edits: [
      {
        file: "services/replica/applier.ts",
        find: "this.store.write({ applied: { term: last.term, index: last.index }, writes });",
        replace: "this.store.write({ applied: { term: last.term, index: last.index + 1 }, writes });",
      },
    ],
    expected: ["committed prefix", "equal state", "applied <= committed <= last"],
  },
  {
    name: "superseded-counts-as-applied",
    why: "A command is called applied when any entry at its index is, even one that another leader put there.",
    edits: [
      {
        file: "services/replica/proposals.ts",
        find: "if (pending.term === entry.term && answer !== null) {",
        replace: "if (answer !== null) {",
      },
    ],
    expected: ["acknowledged writes survive"],
  },
  {
    name: "lost-leadership-counts-as-not-applied",
    why: "A command that was open when its leader was deposed is called not applied, though it may be yet.",
    edits: [
      {
        file: "services/replica/proposals.ts",
        find: 'command.settle({ kind: "unknown", reason });',
        replace: 'command.settle(notApplied("superseded", null));',
      },
    ],
    expected: [
      "linearizable",
      "a session never goes back",
      "strictly serializable",
      "a watch tells the committed order",
    ],
  },
  {
    name: "read-does-not-wait",
    why: "A read is answered as soon as its index is known, before that index is applied.",
    edits: [
      {
        file: "services/replica/reads.ts",
        find: "this.released.push({ index: state.index,",
        replace: "this.released.push({ index: 0,",
      },
    ],
    expected: [
      "linearizable",
      "a bounded read keeps its bound",
      "a session never goes back",
      "strictly serializable",
      "a watch tells the committed order",
    ],
  },
  {
    name: "late-answer-to-an-older-round",
    why: "A late answer to a round that was given up is taken for that of the next one.",
    edits: [
      {
        file: "services/replica/reads.ts",
        find: "if (round === null || round.context !== state.context) return;",
        replace: "if (round === null) return;",
      },
    ],
    expected: [
      "linearizable",
      "a bounded read keeps its bound",
      "a session never goes back",
      "strictly serializable",
      "a watch tells the committed order",
    ],
  },
  {
    name: "read-round-never-repeated",
    why: "A round of reads whose question or answer was lost is not asked again.",
    edits: [
      {
        file: "services/replica/reads.ts",
        find: "if (this.roundTicks >= this.options.retryTicks) this.askAgain();",
        replace: "",
      },
    ],
    expected: ["liveness"],
  },
  {
    name: "revision-before-its-records",
    why: "A stale read takes its revision from the machine, whose last batch is not in the store yet.",
    edits: [
      {
        file: "services/replica/applier.ts",
        find: "    const written = this.store.write({ applied",
        replace: "    this.visible.written(writes);\n    const written = this.store.write({ applied",
      },
    ],
    expected: ["a stale read is some real prefix"],
  },
  {
    name: "staleness-counted-from-the-answer",
    why: "How old the state may be is counted from the answer of the leader, not from the question.",
    edits: [
      {
        file: "services/replica/reads.ts",
        find: "this.fresh = Math.max(this.fresh ?? group.sentAtMs, group.sentAtMs);",
        replace: "this.fresh = this.options.nowMs();",
      },
    ],
    expected: ["a bounded read keeps its bound"],
  },
  {
    name: "min-revision-ignored",
    why: "A stale read does not wait for the revision that its client has seen.",
    edits: [
      {
        file: "services/replica/read-points.ts",
        find: "    if (request.minRevision > this.revision) {\n",
        replace: "    if (request.minRevision < 0) {\n",
      },
    ],
    expected: ["a session never goes back"],
  },
  {
    name: "range-amid-a-batch",
    why: "A range is deleted amid a batch, as of its start, without what the batch wrote before.",
    edits: [
      {
        file: "services/replica/applier.ts",
        find: "(reads.startsBatch || isTooMuch)) break;",
        replace: "isTooMuch) break;",
      },
      {
        file: "services/kv/batch.ts",
        find: 'assert(isCreated || this.changesBefore === 0, "a command that reads a range is the first of its batch");',
        replace: "",
      },
    ],
    expected: ["equal state", "the same answer", "crash"],
  },
  {
    name: "time-runs-on-between-terms",
    why: "A leader counts time from its last Tick, even one of an earlier term, so that what another leader counted counts twice.",
    edits: [
      {
        file: "services/replica/time-keeper.ts",
        find: "    this.tickedAtMs = null;\n",
        replace: "",
      },
    ],
    expected: ["replicated time keeps to a clock", "a lease never ends early"],
  },
  {
    name: "standing-down-leaves-no-space",
    why: "A leader that stands down within a tick takes it that a majority has no space, and believes so when it leads again.",
    edits: [
      {
        file: "services/replica/space.ts",
        find: "      this.isEnough = true;\n      return;\n",
        replace: "      this.isEnough = false;\n      return;\n",
      },
      {
        file: "services/replica/leadership.ts",
        find: "        // What was seen when it led last is out of date.\n        parts.space.look();\n",
        replace: "",
      },
    ],
    expected: ["writes are refused only for want of space"],
  },
  {
    name: "space-of-an-earlier-leadership",
    why: "Space is looked at on ticks alone, so that a new leader goes by what it knew when it led before.",
    edits: [
      {
        file: "services/replica/leadership.ts",
        find: "        // What was seen when it led last is out of date.\n        parts.space.look();\n",
        replace: "",
      },
    ],
    expected: ["writes are refused only for want of space"],
  },
  {
    name: "space-is-never-back",
    why: "A member that was low on space once goes on to tell its leader so.",
    edits: [
      {
        file: "services/raft/raft.ts",
        find: "    this.member.isLowOnSpace = isLow;\n",
        replace: "    this.member.isLowOnSpace ||= isLow;\n",
      },
    ],
    expected: ["writes are refused only for want of space"],
  },
];
