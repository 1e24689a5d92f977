import { expect, it } from "@jest/globals";
import {
  type Command,
  compactAllCommand,
  encodeCommand,
  incrementCommand,
  tickCommand,
} from "@quorate/services/kv";
import type { HistoryLimits } from "@quorate/services/replica";
import { utf8Encode } from "@quorate/services/std";
import { expectBroken } from "./expect-broken";
import { KeptHistory } from "./kept-history";
import { Reference, type ReferenceStep } from "./reference";

const WRITE = incrementCommand({ namespace: "", requestId: null, wallTimeMs: 0 }, utf8Encode("n"), 1n);

/** Five revisions, of which the third was reached after a second and the others at once. */
function give(up: number, limits: HistoryLimits): void {
  const reference = new Reference();
  const kept = new KeptHistory(limits);
  const commands: Command[] = [
    WRITE,
    WRITE,
    tickCommand(1_000, 0),
    WRITE,
    WRITE,
    WRITE,
    compactAllCommand(up, 0),
  ];
  for (const [at, command] of commands.entries()) {
    const entry = { term: 1, index: at + 1, kind: "normal", data: encodeCommand(command) } as const;
    kept.committed(reference.apply(entry) as ReferenceStep);
  }
}

it("accepts what is beyond one of the bounds", () => {
  expect(() => give(2, { revisionsMax: 3, ageMsMax: null })).not.toThrow();
  expect(() => give(2, { revisionsMax: null, ageMsMax: 1_000 })).not.toThrow();
});

it.each<[string, number, HistoryLimits]>([
  ["too many revisions", 3, { revisionsMax: 3, ageMsMax: null }],
  ["what is too young", 3, { revisionsMax: null, ageMsMax: 1_000 }],
  ["anything where all is kept", 1, { revisionsMax: null, ageMsMax: null }],
])("finds that it gives up %s", (_, up, limits) => {
  expectBroken("history is there until it is given up", `gives up all before revision ${up}`, () =>
    give(up, limits),
  );
});
