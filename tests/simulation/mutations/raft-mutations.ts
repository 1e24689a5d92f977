import type { Mutation } from "./mutation";

/** Bugs of the consensus. */
export const raftMutations: readonly Mutation[] = [
  {
    name: "vote-leaves-before-disk",
    why: "A vote is sent before it is on disk, so a crash forgets it.",
    edits: [
      {
        file: "services/raft/outbox.ts",
        find: "if (waiting < 0) return { early: messages, late: answers, toSelf };",
        replace: `const isVote = ({ kind }: Message) => kind === "vote_response";
    if (waiting < 0) return { early: [...messages, ...answers.filter(isVote)], late: answers.filter((answer) => !isVote(answer)), toSelf };`,
      },
    ],
    expected: ["a vote is stored before it is given", "one vote a term"],
  },
  {
    name: "acknowledgement-leaves-before-disk",
    why: "A follower acknowledges entries before they are on its disk, so the leader counts what a crash takes.",
    edits: [
      {
        file: "services/raft/outbox.ts",
        find: "if (waiting < 0) return { early: messages, late: answers, toSelf };",
        replace: `const isAppend = ({ kind }: Message) => kind === "append_response";
    if (waiting < 0) return { early: [...messages, ...answers.filter(isAppend)], late: answers.filter((answer) => !isAppend(answer)), toSelf };`,
      },
    ],
    expected: ["commit by a durable majority", "crash"],
  },
  {
    name: "vote-alone-is-not-synced",
    why: "A vote in a term that is known already is not synced, for only a new term or entries are.",
    edits: [
      {
        file: "services/raft/raft.ts",
        find: "mustSync: entries.length > 0 || now.term !== before.term || now.vote !== before.vote,",
        replace: "mustSync: entries.length > 0 || now.term !== before.term,",
      },
    ],
    expected: ["a vote is stored before it is given", "one vote a term"],
  },
  {
    name: "vote-forgotten-at-restart",
    why: "A member that starts again knows its term but not its vote.",
    edits: [
      {
        file: "services/raft/member.ts",
        find: "this.vote = hardState.vote;",
        replace: "this.vote = null;",
      },
    ],
    expected: ["promises survive a restart", "one vote a term"],
  },
  {
    name: "vote-reset-within-term",
    why: "A change of role within a term resets the vote, as a change of term does.",
    edits: [
      {
        file: "services/raft/member.ts",
        find: "      this.term = term;\n      this.vote = null;\n    }",
        replace: "      this.term = term;\n    }\n    this.vote = null;",
      },
    ],
    expected: ["promises survive a restart", "one vote a term", "elected by a majority"],
  },
  {
    name: "two-votes-a-term",
    why: "A member votes for every candidate that asks, however often in a term.",
    edits: [
      {
        file: "services/raft/election.ts",
        find: "member.vote === request.from ||",
        replace: "true ||",
      },
    ],
    expected: ["one vote a term"],
  },
  {
    name: "two-leaders-a-term",
    why: "A follower votes for every candidate that asks, and nobody looks at the votes but at who leads.",
    edits: [
      {
        file: "services/raft/election.ts",
        find: "member.vote === request.from ||",
        replace: 'member.role.name === "follower" ||',
      },
    ],
    expected: ["one leader a term"],
    muted: ["one vote a term", "a vote is stored before it is given", "promises survive a restart"],
  },
  {
    name: "vote-for-a-shorter-log",
    why: "A vote is granted to any candidate, and nobody looks at the vote but at the log of who wins.",
    edits: [
      {
        file: "services/raft/election.ts",
        find: "const isGranted = isFree && member.log.isUpToDate(request.last);",
        replace: "const isGranted = isFree;",
      },
    ],
    expected: ["leader completeness", "committed prefix", "crash"],
    muted: ["a vote goes to a log as new"],
  },
  {
    name: "vote-for-any-log",
    why: "A vote is granted to a candidate whose log lacks what the voter holds.",
    edits: [
      {
        file: "services/raft/election.ts",
        find: "const isGranted = isFree && member.log.isUpToDate(request.last);",
        replace: "const isGranted = isFree;",
      },
    ],
    expected: ["a vote goes to a log as new"],
  },
  {
    name: "longest-log-wins",
    why: "Logs are compared by their length alone, so that a long one of an old term beats a newer one.",
    edits: [
      {
        file: "services/raft/log.ts",
        find: "return last.term > own.term || (last.term === own.term && last.index >= own.index);",
        replace: "return last.index >= own.index;",
      },
    ],
    expected: ["a vote goes to a log as new"],
    profile: "churn",
    muted: ["a voter has caught up"],
  },
  {
    name: "elected-by-one-too-few",
    why: "A candidate wins with one vote less than a majority.",
    edits: [
      {
        file: "services/raft/quorum.ts",
        find: 'if (granted >= needed) return "won";',
        replace: 'if (granted >= needed - 1) return "won";',
      },
    ],
    expected: ["elected by a majority"],
  },
  {
    name: "pre-votes-count-as-votes",
    why: "A candidate counts late answers to the question whether it could win as votes.",
    edits: [
      {
        file: "services/raft/candidate.ts",
        find: 'if (this.name === "pre_candidate") this.onVote(message);',
        replace: "this.onVote(message);",
      },
    ],
    expected: ["elected by a majority"],
  },
  {
    name: "commit-of-an-older-term",
    why: "A leader commits an entry of an earlier term by counting its copies (figure 8 of the Raft paper).",
    edits: [
      {
        file: "services/raft/log.ts",
        find: "if (id.index <= this.commitIndex || !this.matches(id)) return false;",
        replace: "if (id.index <= this.commitIndex) return false;",
      },
    ],
    expected: ["commit by counting"],
  },
  {
    name: "commit-by-one-too-few",
    why: "An entry counts as committed with one copy less than a majority.",
    edits: [
      {
        file: "services/raft/quorum.ts",
        find: "return indexes[count - majority(count)] as Index;",
        replace: "return indexes[count - majority(count) + 1] as Index;",
      },
    ],
    expected: ["commit by a durable majority"],
  },
  {
    name: "leader-counts-itself-early",
    why: "A leader counts its own entries before they are on its disk.",
    edits: [
      {
        file: "services/raft/replication.ts",
        find: "(id) => this.progressOf.get(id)?.match ?? 0);",
        replace:
          "(id) => id === this.member.id ? this.member.log.lastIndex : (this.progressOf.get(id)?.match ?? 0));",
      },
    ],
    expected: ["commit by a durable majority"],
  },
  {
    name: "conflicting-entries-stay",
    why: "A follower keeps its own entries where the leader's are others of the same index, and says that they match.",
    edits: [
      {
        file: "services/raft/log.ts",
        find: "entries.findIndex((entry) => !this.matches(entry))",
        replace: "entries.findIndex((entry) => entry.index > this.lastIndex)",
      },
    ],
    expected: [
      "log matching",
      "committed prefix",
      "leader completeness",
      "commit by a durable majority",
      "crash",
    ],
  },
  {
    name: "append-without-looking-back",
    why: "A follower appends without looking whether its log matches at the entry before.",
    edits: [
      {
        file: "services/raft/log.ts",
        find: "if (!this.matches(previous)) return null;",
        replace: "if (previous.index > this.lastIndex) return null;",
      },
    ],
    expected: ["log matching", "committed prefix", "crash"],
    profile: "partitions",
  },
  {
    name: "heartbeat-commits-too-much",
    why: "A heartbeat carries the leader's commit index even to a follower that may hold other entries there.",
    edits: [
      {
        file: "services/raft/replication.ts",
        find: "const commit = Math.min(progress.match, log.commit);",
        replace: "const commit = log.commit;",
      },
      {
        file: "services/raft/follower.ts",
        find: "log.commitTo(message.commit);",
        replace: "log.commitTo(Math.min(message.commit, log.lastIndex));",
      },
    ],
    expected: ["committed prefix", "crash"],
  },
  {
    name: "commit-index-falls",
    why: "A follower believes a heartbeat that names a lower commit index than it knows.",
    edits: [
      {
        file: "services/raft/log.ts",
        find: "    if (index <= this.commitIndex) return;\n    assert(",
        replace: "    if (index === this.commitIndex) return;\n    assert(",
      },
    ],
    expected: ["term and commit only rise", "crash"],
  },
  {
    name: "apply-before-commit",
    why: "Entries are handed out to be applied when they are in the log, not when they are committed.",
    edits: [
      {
        file: "services/raft/log.ts",
        find: "Math.min(this.commitIndex, this.tail.firstIndex - 1)",
        replace: "this.tail.firstIndex - 1",
      },
    ],
    expected: ["applied <= committed <= last", "committed prefix", "equal state"],
  },
  {
    name: "read-without-quorum",
    why: "A leader answers a read without asking a majority whether it still leads.",
    edits: [
      {
        file: "services/raft/leader.ts",
        find: "if (isCurrent && membership.isSingleVoter) {",
        replace: "if (isCurrent) {",
      },
    ],
    expected: [
      "read quorum",
      "linearizable",
      "read index",
      "a session never goes back",
      "strictly serializable",
      "a watch tells the committed order",
    ],
  },
  {
    name: "own-reads-without-quorum",
    why: "A leader answers its own reads without asking a majority whether it still leads; those of followers it asks for.",
    edits: [
      {
        file: "services/raft/leader.ts",
        find: "if (isCurrent && membership.isSingleVoter) {",
        replace: "if (isCurrent && (membership.isSingleVoter || request.from === this.member.id)) {",
      },
    ],
    expected: [
      "linearizable",
      "a bounded read keeps its bound",
      "a session never goes back",
      "strictly serializable",
      "history is there until it is given up",
      "a watch tells the committed order",
    ],
  },
  {
    name: "read-before-own-commit",
    why: "A new leader answers reads before an entry of its term is committed, when its commit index may be old.",
    edits: [
      {
        file: "services/raft/leader.ts",
        find: "    const isCurrent = log.hasCommittedIn(term);\n    if (isCurrent && membership",
        replace: "    const isCurrent = term > 0;\n    if (isCurrent && membership",
      },
    ],
    expected: [
      "read index",
      "linearizable",
      "a session never goes back",
      "strictly serializable",
      "a watch tells the committed order",
    ],
  },
  {
    name: "read-confirmed-by-any-heartbeat",
    why: "Any answer to a heartbeat confirms all reads that wait, also those that came after the heartbeat left.",
    edits: [
      {
        file: "services/raft/leader.ts",
        find: "this.reads.confirm(message.from, message.readSequence);",
        replace: "this.reads.confirm(message.from, this.reads.latestSequence);",
      },
      {
        file: "services/raft/leader.ts",
        find: "if (message.readSequence === 0) return;",
        replace: "",
      },
    ],
    expected: [
      "read quorum",
      "read index",
      "linearizable",
      "a session never goes back",
      "strictly serializable",
      "a watch tells the committed order",
    ],
  },
  {
    name: "follower-is-never-asked-again",
    why: "A follower whose probe was lost is not spoken to again when it answers a heartbeat.",
    edits: [
      {
        file: "services/raft/leader.ts",
        find: "progress.isFlowPaused = false;\n    if (progress.state",
        replace: "if (progress.state",
      },
    ],
    expected: ["liveness"],
  },
  {
    name: "transfer-never-given-up",
    why: "A leader that was to hand over to a dead member refuses proposals for ever.",
    edits: [
      {
        file: "services/raft/leader.ts",
        find: "      this.target = null;\n    }\n    if (this.heartbeat",
        replace: "    }\n    if (this.heartbeat",
      },
    ],
    expected: ["liveness"],
    profile: "losses",
  },
  {
    name: "window-without-end",
    why: "A leader sends to a follower that does not answer without a bound on what is in flight.",
    edits: [
      {
        file: "services/raft/inflights.ts",
        find: "return this.messageCount >= this.messagesMax || this.byteCount >= this.bytesMax;",
        replace: "return false;",
      },
      {
        file: "services/raft/inflights.ts",
        find: "const room = Math.min(this.messagesMax, Math.max(4, this.indexes.length * 2));",
        replace: "const room = Math.max(4, this.indexes.length * 2);",
      },
    ],
    expected: ["bounded memory"],
  },
];
