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
  const owner = { isRunning: () => true, noteLeadership: () => told.push("known who leads") };
  new TurnLoop(parts, ports, owner).pump();
  return told;
}

it("who leads is known first, then goes what peers are to get, then what is to be stored, and then a batch is applied", () => {
  expect(pumped({ messages: [message], committedEntries: [committed] })).toEqual([
    "known who leads",
    "sent",
    "written",
    "applied 1",
    "pumped",
  ]);
});

it("nothing is sent where there is nothing to send", () => {
  expect(pumped({ committedEntries: [committed] })).toEqual([
    "known who leads",
    "written",
    "applied 1",
    "pumped",
  ]);
});

/** A loop whose core notes what it is given, and when it was asked for turns. */
function loopWhile(storing: "storing" | "idle") {
  const told: string[] = [];
  const behindInput: (() => void)[] = [];
  const behindTurn: (() => void)[] = [];
  const inbox: Message[] = [message];
  const parts = {
    raft: {
      hasReady: () => false,
      step: ({ kind }: Message) => told.push(kind),
      reportReset: (peer: string) => told.push(`reset ${peer}`),
      hasCommitToTell: false,
    },
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
  return { loop, told, inbox, behindInput, behindTurn };
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

it("answers are taken in again when the core goes on, which stood still when others were to be", () => {
  const { loop, told, behindInput } = loopWhile("storing");
  loop.planForAnswers();
  loop.hold();
  behindInput[0]!();
  loop.release();
  loop.planForAnswers();
  behindInput[1]!();
  expect(told).toEqual([message.kind, "pumped"]);
});

it("what came while the core stood still is taken in when it goes on, without anything else that comes", () => {
  const { loop, told, behindTurn } = loopWhile("idle");
  loop.hold();
  loop.plan();
  behindTurn[0]!();
  expect(told).toEqual([]);
  loop.release();
  behindTurn[1]!();
  expect(told).toEqual([message.kind, "proposed", "pumped"]);
});

it("that a connection was reset is told behind what came on it, and once", () => {
  const { loop, told, inbox, behindTurn } = loopWhile("idle");
  loop.reset("n1");
  loop.reset("n2");
  behindTurn[0]!();
  inbox.push(message);
  loop.plan();
  behindTurn[1]!();
  const rest = ["proposed", "pumped"];
  expect(told).toEqual([message.kind, "reset n1", "reset n2", ...rest, message.kind, ...rest]);
});
