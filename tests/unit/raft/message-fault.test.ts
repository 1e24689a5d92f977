import { describe, expect, test } from "@jest/globals";
import { type Message, messageFault, messageKindNames } from "@quorate/services/raft";
import { entry, text } from "./group";

const envelope = { from: "n1", to: "n2", term: 3 } as const;
const last = { term: 2, index: 7 };

const sound: readonly Message[] = [
  { kind: "append", ...envelope, previous: last, entries: [entry(2, 8), entry(3, 9)], commit: 7 },
  { kind: "append_response", ...envelope, index: 4, hint: null },
  { kind: "append_response", ...envelope, index: 4, hint: { term: 0, index: 2 } },
  { kind: "pre_vote", ...envelope, last },
  { kind: "pre_vote_response", ...envelope, rejected: false },
  { kind: "vote", ...envelope, last, transfer: true },
  { kind: "vote_response", ...envelope, rejected: true },
  { kind: "heartbeat", ...envelope, commit: 7, readSequence: 0 },
  { kind: "heartbeat", ...envelope, commit: 7, readSequence: 0, pledge: { round: 1, ms: 1 } },
  { kind: "heartbeat_response", ...envelope, readSequence: 2, lowOnSpace: true },
  { kind: "heartbeat_response", ...envelope, readSequence: 2, lowOnSpace: true, pledgedRound: 1 },
  { kind: "snapshot", ...envelope, last },
  { kind: "propose", ...envelope, term: 0, proposals: [{ kind: "normal", data: text("a") }] },
  { kind: "read_index", ...envelope, term: 0, context: "r" },
  { kind: "read_index_response", ...envelope, index: 7, context: "r" },
  { kind: "transfer_leadership", ...envelope },
  { kind: "timeout_now", ...envelope },
];

describe("messages from outside", () => {
  test("there is one of each kind here", () => {
    expect(new Set(sound.map(({ kind }) => kind))).toEqual(new Set(Object.keys(messageKindNames)));
  });

  test.each(sound.map((message) => [message.kind, message] as const))(
    "a sound %s has no fault",
    (_, message) => {
      expect(messageFault(message)).toBeNull();
    },
  );

  const append = { kind: "append", ...envelope, previous: last, entries: [], commit: 0 } as const;
  const rows: readonly [string, Message][] = [
    ["sender", { ...append, from: "" }],
    ["term", { ...append, term: 0 }],
    ["term", { ...append, term: 1.5 }],
    ["previous", { ...append, previous: { term: -1, index: 2 } }],
    ["commit", { ...append, commit: Number.NaN }],
    ["gap", { ...append, entries: [entry(2, 9)] }],
    ["fall", { ...append, entries: [entry(1, 8)] }],
    ["newer", { ...append, entries: [entry(4, 8)] }],
    ["index", { kind: "append_response", ...envelope, index: -1, hint: null }],
    ["hint", { kind: "append_response", ...envelope, index: 1, hint: { term: 1, index: -1 } }],
    ["newer", { kind: "vote", ...envelope, last: { term: 4, index: 1 }, transfer: false }],
    ["last", { kind: "pre_vote", ...envelope, last: { term: 1, index: 0.5 } }],
    ["commit", { kind: "heartbeat", ...envelope, commit: -1, readSequence: 0 }],
    ["read", { kind: "heartbeat", ...envelope, commit: 1, readSequence: -1 }],
    ["read", { kind: "heartbeat_response", ...envelope, readSequence: 0.5, lowOnSpace: false }],
    ["pledge", { kind: "heartbeat", ...envelope, commit: 1, readSequence: 0, pledge: { round: 0, ms: 1 } }],
    ["pledge", { kind: "heartbeat", ...envelope, commit: 1, readSequence: 0, pledge: { round: 1, ms: 0.5 } }],
    [
      "pledged",
      { kind: "heartbeat_response", ...envelope, readSequence: 1, lowOnSpace: false, pledgedRound: -1 },
    ],
    ["newer", { kind: "snapshot", ...envelope, last: { term: 4, index: 1 } }],
    ["last", { kind: "snapshot", ...envelope, last: { term: 0, index: 0 } }],
    ["index", { kind: "read_index_response", ...envelope, index: -1, context: "r" }],
    ["nothing", { kind: "propose", ...envelope, term: 0, proposals: [] }],
  ];
  test.each(rows)("the fault of one is named: %s", (fault, message) => {
    expect(messageFault(message)).toContain(fault);
  });
});
