import { describe, expect, test } from "@jest/globals";
import {
  type Command,
  type CommandSource,
  createNamespaceCommand,
  deleteCommand,
  deleteNamespaceCommand,
  encodeCommand,
  grantLeaseCommand,
  incrementCommand,
  putCommand,
  renewLeasesCommand,
  revokeLeaseCommand,
  tickCommand,
  truncateCommand,
} from "@quorate/services/kv";
import { utf8Encode } from "@quorate/services/std";
import fc from "fast-check";
import { isLongRun } from "../../support/long-run";
import { bytesOf, everythingOf, expectAsNaive } from "./comparison";
import { Harness } from "./harness";
import { NaiveMachine } from "./naive-machine";

const source = (namespace: string): CommandSource => ({ namespace, requestId: null, wallTimeMs: 0 });
const from = fc.constantFrom("", "", "", "a").map(source);
const key = fc.constantFrom("a", "b", "c", "d", "e").map(utf8Encode);
const leaseId = fc.bigInt(1n, 6n);

function put([at, name, lease]: [CommandSource, Uint8Array, bigint]): Command {
  const value = utf8Encode("1");
  return putCommand(at, {
    key: name,
    value,
    leaseId: lease,
    returnPrevious: false,
    expectedModRevision: null,
  });
}

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 10, arbitrary: fc.tuple(from, key, leaseId).map(put) },
  { weight: 2, arbitrary: fc.tuple(from, key, fc.constant(0n)).map(put) },
  { weight: 2, arbitrary: fc.tuple(from, key).map(([at, name]) => incrementCommand(at, name, 1n)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(from, key)
      .map(([at, name]) =>
        deleteCommand(at, { key: name, returnPrevious: false, expectedModRevision: null }),
      ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(from, fc.integer({ min: 1, max: 30 })).map(([at, ttl]) => grantLeaseCommand(at, ttl)),
  },
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 15 }).map((elapsedMs) => tickCommand(elapsedMs, 0)) },
  { weight: 1, arbitrary: fc.tuple(from, leaseId).map(([at, id]) => revokeLeaseCommand(at, id)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(from, fc.array(leaseId, { maxLength: 3 }))
      .map(([at, ids]) => renewLeasesCommand(at, ids)),
  },
  { weight: 1, arbitrary: from.map((at) => createNamespaceCommand({ ...at, namespace: "" }, "a")) },
);

/** Emptying a namespace would leave little to end, so it comes once a list at most. */
const emptying = fc.constantFrom(
  truncateCommand(source("")),
  truncateCommand(source("a")),
  deleteNamespaceCommand(source(""), "a"),
  tickCommand(0, 0),
);

const entries = fc
  .tuple(
    fc.array(command, { maxLength: 40, size: "max" }),
    emptying,
    fc.array(command, { size: "max", maxLength: 40 }),
  )
  .map(([before, middle, after]) =>
    [
      createNamespaceCommand(source(""), "a"),
      grantLeaseCommand(source(""), 20),
      grantLeaseCommand(source(""), 30),
      grantLeaseCommand(source("a"), 25),
      ...before,
      middle,
      ...after,
    ].map(encodeCommand),
  );

const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 30, size: "max" });

const RUNS = isLongRun ? 300 : 60;

describe("leases", () => {
  test("end by time, by hand and with their namespace, with one key and with several, in what these properties draw", () => {
    const met = new Map<string, number>();
    for (const list of fc.sample(entries, { numRuns: RUNS })) {
      const harness = new Harness();
      harness.applyEntries(list, []);
      for (const { kind, ordinal, origin } of harness.store.changes) {
        const what = `${origin.cause} ${kind} ${ordinal}`;
        met.set(what, (met.get(what) ?? 0) + 1);
      }
    }
    const often = [...met].filter(([, times]) => times >= RUNS / 15).map(([what]) => what);
    expect(often).toEqual(
      expect.arrayContaining([
        "lease_ended delete 0",
        "lease_ended delete 1",
        "namespace_deleted truncate 0",
        "truncate truncate 0",
      ]),
    );
  });

  test("A22: answer, end and leave what the plain model does", () => {
    fc.assert(
      fc.property(entries, sizes, (list, cuts) => {
        const harness = new Harness();
        const answers = harness.applyEntries(list, cuts);
        expectAsNaive(harness, answers, new NaiveMachine(), list);
      }),
      { numRuns: RUNS },
    );
  });

  test("end alike however the commands are cut into batches, and when a machine is loaded in between", () => {
    fc.assert(
      fc.property(entries, sizes, fc.nat({ max: 80 }), (list, cuts, at) => {
        const single = new Harness();
        const cut = new Harness();
        const answers = bytesOf(single.applyEntries(list, [1]));
        const first = cut.applyEntries(list.slice(0, at), cuts);
        cut.restart();
        expect(cut.machine.resident()).toEqual(cut.store.resident());
        const rest = cut.applyEntries(list.slice(at), []);
        expect(bytesOf([...first, ...rest])).toEqual(answers);
        expect(everythingOf(cut)).toEqual(everythingOf(single));
        expect(cut.store.resident()).toEqual(cut.machine.resident());
      }),
      { numRuns: RUNS },
    );
  });
});
