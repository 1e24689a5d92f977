import type { Mutation } from "./mutation";

/** Bugs of the state machine. */
export const kvMutations: readonly Mutation[] = [
  {
    name: "session-keeps-no-answer",
    why: "A session does not remember what it answered, so that a retry is carried out again.",
    edits: [
      {
        file: "services/kv/session-table.ts",
        find: "    session.answers.add({ sequence: request.sequence, bytes: answer, isWritten: false });\n    session.answerBytes += answer.length;\n    this.keptBytes += answer.length + SESSION_ANSWER_OVERHEAD_BYTES;\n    session.unwritten.push(request.sequence);",
        replace: "",
      },
    ],
    expected: ["the same answer", "applied once"],
  },
  {
    name: "retry-changes-records-again",
    why: "A session does not remember what it answered, and nobody looks at the answers but at what was changed.",
    edits: [
      {
        file: "services/kv/session-table.ts",
        find: "    session.answers.add({ sequence: request.sequence, bytes: answer, isWritten: false });\n    session.answerBytes += answer.length;\n    this.keptBytes += answer.length + SESSION_ANSWER_OVERHEAD_BYTES;\n    session.unwritten.push(request.sequence);",
        replace: "",
      },
    ],
    expected: ["applied once"],
    // Whoever follows a write whose answer is gone is refused, and that is seen, too.
    muted: ["the same answer", "what a command changes"],
  },
  {
    name: "answers-lost-at-restart",
    why: "Kept answers are not stored, so that a member that starts again carries out retries that others answer.",
    edits: [
      {
        file: "services/kv/session-table.ts",
        find: "takeUnwritten(session, answers);",
        replace: "",
      },
    ],
    expected: ["equal state", "equal roots", "the same answer", "crash"],
  },
  {
    name: "answer-dropped-too-early",
    why: "The first answer that a client still waits for is dropped with those that it has.",
    edits: [
      {
        file: "services/kv/session-table.ts",
        find: "Math.min(firstUnanswered, session.lastAnswered + 1)",
        replace: "Math.min(firstUnanswered, session.lastAnswered) + 1",
      },
    ],
    expected: ["the same answer", "applied once"],
  },
  {
    name: "order-of-a-session-is-not-kept",
    why: "What a write follows is not looked at, and nobody looks at what is to be answered but at what is carried out.",
    edits: [
      {
        file: "services/kv/session-table.ts",
        find: "if (disorder !== null)",
        replace: "if (disorder === undefined)",
      },
      {
        file: "services/kv/session-table.ts",
        find: "return request.follows === null || sequence > session.lastAnswered;",
        replace: "return true;",
      },
    ],
    expected: ["writes of a session keep their order"],
    muted: ["the same answer", "what a command changes"],
  },
  {
    name: "a-write-comes-behind-a-later-one",
    why: "A write whose predecessor has its answer is carried out even behind a later one: the late copy of one that its client gave up.",
    edits: [
      {
        file: "services/kv/session-table.ts",
        find: "if (session.lastAnswered > sequence) {",
        replace: "if (session.lastAnswered > sequence && session.answers.size < 0) {",
      },
      {
        file: "services/kv/session-table.ts",
        find: "return request.follows === null || sequence > session.lastAnswered;",
        replace: "return true;",
      },
    ],
    expected: ["writes of a session keep their order"],
  },
  {
    name: "a-write-overtakes-another",
    why: "A write is carried out although the one that it follows has no answer: that one, which its client waits for, is refused for ever.",
    edits: [
      {
        file: "services/kv/session-table.ts",
        find: "if (follows >= session.firstUnanswered && !session.answers.has(follows)) {",
        replace: "if (follows > sequence) {",
      },
    ],
    expected: ["the same answer"],
  },
  {
    name: "session-is-not-renewed",
    why: "The use of a session does not renew it: it ends while its client works.",
    edits: [
      {
        file: "services/kv/session-table.ts",
        find: "    this.renew(session);\n",
        replace: "",
      },
    ],
    expected: ["crash", "the same answer"],
  },
  {
    name: "session-outlives-restart",
    why: "A member that starts again does not know when the sessions that it loads end, so that it keeps them longer than others.",
    edits: [
      {
        file: "services/kv/session-table.ts",
        find: "    else this.deadlineMsMin = Math.min(this.deadlineMsMin, session.deadlineMs);\n    return session;",
        replace: "    return session;",
      },
    ],
    expected: ["equal state"],
  },
  {
    name: "batch-does-not-see-itself",
    why: "A command sees the records as of the start of its batch, without what came before it in the batch.",
    edits: [
      {
        file: "services/kv/batch.ts",
        find: "if (own !== undefined) return own;",
        replace: "",
      },
    ],
    expected: ["equal state", "crash"],
  },
  {
    name: "revision-counts-batches",
    why: "The revision rises once a batch, not once a command, so that it depends on how a member cuts its batches.",
    edits: [
      {
        file: "services/kv/batch.ts",
        find: "if (this.changes.length === this.changesBefore) return null;",
        replace: "if (this.changes.length === this.changesBefore || this.changesBefore > 0) return null;",
      },
    ],
    expected: ["equal state"],
  },
  {
    name: "truncate-keeps-the-count",
    why: "An emptied namespace goes on counting the keys that it had.",
    edits: [
      {
        file: "services/kv/namespace.ts",
        find: "    this.state.keyCount = 0;\n",
        replace: "",
      },
    ],
    expected: ["the same answer", "what a command changes", "crash"],
  },
  {
    name: "append-forgets-the-old-value",
    why: "An append puts its operand in place of the old value.",
    edits: [
      {
        file: "services/kv/operations.ts",
        find: "const value = newest === null ? append.value : joined(readValue(newest), append);",
        replace: "const value = append.value;",
      },
    ],
    expected: ["the same answer"],
  },
];
