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
