import { expect, it } from "@jest/globals";
import type { Entry, Message, Ready } from "@quorate/services/raft";
import type { ReplicaOptions } from "@quorate/services/replica";
import type { ReplicaParts } from "../../../services/replica/parts";
import { TurnLoop } from "../../../services/replica/turn-loop";

const committed: Entry = { term: 1, index: 1, kind: "normal", data: Uint8Array.of(1) };
const message: Message = { kind: "transfer_leadership", from: "n1", to: "n2", term: 1 };

/** What comes to pass when the core asks that a batch be applied, and for what else it says. */
function pumped(asked: Partial<Ready>, isInputKnown: boolean): { told: string[]; later: (() => void)[] } {
  const told: string[] = [];
  const later: (() => void)[] = [];
  const readys = [{ messages: [], readStates: [], snapshotOffer: null, ...asked } as unknown as Ready];
  const parts = {
    raft: { hasReady: () => readys.length > 0, takeReady: () => readys.shift() },
    persister: { push: () => told.push("written") },
    applier: { add: () => told.push("to apply"), goOn: () => told.push("applied") },
    commitTeller: { settled: () => told.push("pumped") },
  } as unknown as ReplicaParts;
  const ports = {
    transport: { send: () => told.push("sent") },
    scheduler: isInputKnown ? { afterThisInput: (run: () => void) => later.push(run) } : {},
  } as unknown as ReplicaOptions;
  new TurnLoop(parts, ports, { isRunning: () => true, noteLeadership: () => {} }).pump();
  return { told, later };
}

it("a batch is applied when what goes to peers has left", () => {
  const { told, later } = pumped({ messages: [message], committedEntries: [committed] }, true);
  expect(told).toEqual(["sent", "written", "to apply", "pumped"]);
  expect(later).toHaveLength(1);
  later[0]!();
  expect(told.at(-1)).toBe("applied");
});

it.each([
  { name: "nothing goes to peers", messages: [], isInputKnown: true },
  { name: "it is not known when it leaves", messages: [message], isInputKnown: false },
])("a batch is applied at once where $name", ({ messages, isInputKnown }) => {
  const { told, later } = pumped({ messages, committedEntries: [committed] }, isInputKnown);
  expect(told.slice(-4)).toEqual(["written", "to apply", "applied", "pumped"]);
  expect(later).toEqual([]);
});

it("nothing is put off where nothing is committed", () => {
  const { told, later } = pumped({ messages: [message], committedEntries: [] }, true);
  expect(told).toEqual(["sent", "written", "pumped"]);
  expect(later).toEqual([]);
});
