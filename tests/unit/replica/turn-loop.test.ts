import { expect, it } from "@jest/globals";
import type { Entry, Message, Ready } from "@quorate/services/raft";
import type { ReplicaOptions } from "@quorate/services/replica";
import type { ReplicaParts } from "../../../services/replica/parts";
import { TurnLoop } from "../../../services/replica/turn-loop";

const committed: Entry = { term: 1, index: 1, kind: "normal", data: Uint8Array.of(1) };
const message: Message = { kind: "transfer_leadership", from: "n1", to: "n2", term: 1 };

/** What comes to pass, in its order, for what the core says. */
function pumped(asked: Partial<Ready>): string[] {
  const told: string[] = [];
  const readys = [{ messages: [], readStates: [], committedEntries: [], snapshotOffer: null, ...asked }];
  const parts = {
    raft: { hasReady: () => readys.length > 0, takeReady: () => readys.shift() },
    persister: { push: () => told.push("written") },
    applier: { push: (entries: readonly Entry[]) => told.push(`applied ${entries.length}`) },
    commitTeller: { settled: () => told.push("pumped") },
  } as unknown as ReplicaParts;
  const ports = { transport: { send: () => told.push("sent") } } as unknown as ReplicaOptions;
  new TurnLoop(parts, ports, { isRunning: () => true, noteLeadership: () => {} }).pump();
  return told;
}

it("what goes to peers comes first, then what is to be stored, and then the batch that is applied", () => {
  expect(pumped({ messages: [message], committedEntries: [committed] })).toEqual([
    "sent",
    "written",
    "applied 1",
    "pumped",
  ]);
});

it("nothing is sent where there is nothing to send", () => {
  expect(pumped({ committedEntries: [committed] })).toEqual(["written", "applied 1", "pumped"]);
});

/** A loop whose core notes what it is given, and when it was asked for turns. */
function loopWhile(storing: "storing" | "idle") {
  const told: string[] = [];
  const behindInput: (() => void)[] = [];
  const behindTurn: (() => void)[] = [];
  const inbox: Message[] = [message];
  const parts = {
    raft: { hasReady: () => false, step: ({ kind }: Message) => told.push(kind), hasCommitToTell: false },
    inbox: { shift: () => inbox.shift() },
    persister: { isBusy: storing === "storing" },
    proposals: { takeQueued: () => [] },
    proposer: { propose: () => told.push("proposed") },
    reads: { startRound: () => {} },
    commitTeller: { takeDue: () => false, settled: () => told.push("pumped") },
  } as unknown as ReplicaParts;
  const scheduler = {
    afterThisInput: (run: () => void) => behindInput.push(run),
    afterThisTurn: (run: () => void) => behindTurn.push(run),
  };
  const ports = { scheduler } as unknown as ReplicaOptions;
  const loop = new TurnLoop(parts, ports, { isRunning: () => true, noteLeadership: () => {} });
  return { loop, told, behindInput, behindTurn };
}

it("answers are taken in behind their chunk while something is stored, and commands gather on", () => {
  const { loop, told, behindInput, behindTurn } = loopWhile("storing");
  loop.planForInput();
  loop.planForAnswers();
  loop.planForAnswers();
  expect([behindInput.length, behindTurn.length]).toEqual([1, 1]);
  behindInput[0]!();
  expect(told).toEqual([message.kind, "pumped"]);
  behindTurn[0]!();
  expect(told).toEqual([message.kind, "pumped", "proposed", "pumped"]);
});

it("answers are taken in with all else that came in their chunk where nothing is stored", () => {
  const { loop, told, behindInput, behindTurn } = loopWhile("idle");
  loop.planForInput();
  loop.planForAnswers();
  expect([behindInput.length, behindTurn.length]).toEqual([1, 0]);
  behindInput[0]!();
  expect(told).toEqual([message.kind, "proposed", "pumped"]);
});

it("answers are not taken in while the core stands still", () => {
  const { loop, told, behindInput } = loopWhile("storing");
  loop.planForAnswers();
  loop.hold();
  behindInput[0]!();
  expect(told).toEqual([]);
});
