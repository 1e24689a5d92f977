import { describe, expect, test } from "@jest/globals";
import {
  type Answer,
  appendCommand,
  type Command,
  type CommandSource,
  closeSessionCommand,
  compactAllCommand,
  compactCommand,
  createNamespaceCommand,
  deleteCommand,
  deleteNamespaceCommand,
  deleteRangeCommand,
  encodeAnswer,
  encodeCommand,
  grantLeaseCommand,
  incrementCommand,
  openSessionCommand,
  putCommand,
  Refusal,
  recordStoreCommand,
  renewLeasesCommand,
  revokeLeaseCommand,
  setQuotaCommand,
  tickCommand,
  truncateCommand,
  txnCommand,
} from "@quorate/services/kv";
import { hexEncode, utf8Encode } from "@quorate/services/std";
import fc from "fast-check";
import { arbitraryTxn } from "./arbitrary-txn";
import { bytesOf, everythingOf, expectAsNaive } from "./comparison";
import { Harness } from "./harness";
import { NaiveMachine } from "./naive-machine";

/** Few keys, so that commands meet; some at the ends of the order. */
const key = fc
  .constantFrom([0x00], [0x61], [0x61, 0x00], [0x61, 0x62], [0x62], [0xff], [0xff, 0xff], [])
  .map((bytes) => Uint8Array.from(bytes));

const value = fc.oneof(
  fc
    .constantFrom("", "0", "7", "-12", "007", "-0", "9223372036854775807", "-9223372036854775808", "nine")
    .map(utf8Encode),
  fc.uint8Array({ maxLength: 6 }),
);

const delta = fc.oneof(fc.bigInt(-20n, 20n), fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n)));

/** Sequences near each other and near the end of the window. */
const requestId = fc
  .record({
    clientId: fc.integer({ min: 1, max: 4 }),
    sequence: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1020, max: 1032 })),
    behind: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0, max: 8 }) },
      { weight: 2, arbitrary: fc.integer({ min: 1016, max: 1032 }) },
      { weight: 1, arbitrary: fc.constant(-1) },
    ),
  })
  .map(({ clientId, sequence, behind }) => ({
    clientId,
    sequence,
    firstUnanswered: Math.max(0, sequence - behind),
  }));

const source: fc.Arbitrary<CommandSource> = fc.record({
  namespace: fc.oneof(
    { weight: 24, arbitrary: fc.constantFrom("", "default") },
    { weight: 3, arbitrary: fc.constantFrom("a", "b") },
    { weight: 1, arbitrary: fc.constant("nowhere") },
  ),
  requestId: fc.option(requestId, { freq: 3 }),
  wallTimeMs: fc.integer({ min: 0, max: 9 }),
});

const expected = fc.option(fc.bigInt(-1n, 12n), { freq: 3 });
const leaseId = fc.bigInt(1n, 5n);
const lease = fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, { weight: 2, arbitrary: leaseId });
const name = fc.constantFrom("a", "b", "default", "not a name");
const quota = fc.record({
  keysMax: fc.option(fc.integer({ min: 1, max: 5 }), { freq: 3 }),
  bytesMax: fc.option(fc.integer({ min: 1, max: 40 }), { freq: 3 }),
});
const revision = fc.integer({ min: 0, max: 24 });

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        source,
        fc.record({
          key,
          value,
          leaseId: lease,
          returnPrevious: fc.boolean(),
          expectedModRevision: expected,
        }),
      )
      .map(([from, put]) => putCommand(from, put)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(source, fc.record({ key, returnPrevious: fc.boolean(), expectedModRevision: expected }))
      .map(([from, deletion]) => deleteCommand(from, deletion)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(source, key, key, fc.integer({ min: 0, max: 5 }))
      .map(([from, start, end, max]) =>
        deleteRangeCommand(from, { start, end: end.length === 0 ? null : end }, max),
      ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(source, key, delta).map(([from, at, by]) => incrementCommand(from, at, by)),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        source,
        fc.record({ key, value, atStart: fc.boolean(), valueBytesMax: fc.integer({ min: 0, max: 24 }) }),
      )
      .map(([from, append]) => appendCommand(from, append)),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(source, arbitraryTxn({ key, value, delta, leaseId: lease, expectedModRevision: expected }))
      .map(([from, txn]) => txnCommand(from, txn)),
  },
  { weight: 1, arbitrary: source.map(truncateCommand) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(source, name, quota)
      .map(([from, created, bounds]) => createNamespaceCommand(from, created, bounds)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(source, name).map(([from, gone]) => deleteNamespaceCommand(from, gone)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(source, name, quota).map(([from, of, bounds]) => setQuotaCommand(from, of, bounds)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(source, fc.integer({ min: 1, max: 60 }))
      .map(([from, ttlMs]) => grantLeaseCommand(from, ttlMs)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(source, leaseId).map(([from, revoked]) => revokeLeaseCommand(from, revoked)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(source, fc.array(leaseId, { maxLength: 3 }))
      .map(([from, renewed]) => renewLeasesCommand(from, renewed)),
  },
  { weight: 1, arbitrary: fc.tuple(source, revision).map(([from, at]) => compactCommand(from, at)) },
  { weight: 1, arbitrary: revision.map((at) => compactAllCommand(at, 0)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(source, fc.integer({ min: 1, max: 30 }))
      .map(([from, ttlMs]) => openSessionCommand(from, ttlMs)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(source, fc.bigInt(0n, 4n))
      .map(([from, clientId]) => closeSessionCommand(from, clientId)),
  },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 20 }).map((elapsedMs) => tickCommand(elapsedMs, 0)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom("n1", "n2"), fc.constantFrom("s1", "s2"))
      .map(([memberId, storeId]) => recordStoreCommand(memberId, storeId, 0)),
  },
);

const entry = fc.oneof(
  { weight: 40, arbitrary: command.map(encodeCommand) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 8 }) },
);

const FROM_NOBODY: CommandSource = { namespace: "", requestId: null, wallTimeMs: 0 };

/** Sessions and leases are there from the start in most runs, or few ids would meet one. */
const entries = fc
  .tuple(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 2 }),
    fc.array(entry, { maxLength: 60, size: "max" }),
  )
  .map(([sessions, leases, list]) => [
    ...Array.from({ length: sessions }, () => encodeCommand(openSessionCommand(FROM_NOBODY, 25))),
    ...Array.from({ length: leases }, (_, at) => encodeCommand(grantLeaseCommand(FROM_NOBODY, 25 + at))),
    ...list,
  ]);

const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 30, size: "max" });

describe("the state machine", () => {
  test("meets every kind of answer in what these properties draw", () => {
    const met = new Map<string, number>();
    for (const list of fc.sample(entries, { seed: 10, numRuns: 300 })) {
      for (const { result } of new Harness().applyEntries(list, [])) {
        const kind = result?.$case === "refused" ? (Refusal[result.value.refusal] as string) : "done";
        met.set(kind, (met.get(kind) ?? 0) + 1);
      }
    }
    // As many as there may be are beyond a drawn list; they have tests of their own.
    const elsewhere: unknown[] = [
      "UNSPECIFIED",
      "TOO_MANY_NAMESPACES",
      "TOO_MANY_SESSIONS",
      "TOO_MANY_LEASES",
    ];
    const known = Object.values(Refusal).filter(
      (name) => typeof name === "string" && !elsewhere.includes(name),
    );
    expect([...met.keys()].sort()).toEqual([...known, "done"].sort());
    expect(Math.min(...met.values())).toBeGreaterThan(20);
  });

  test("answers as the plain model does, command by command", () => {
    fc.assert(
      fc.property(entries, sizes, (list, cuts) => {
        const harness = new Harness();
        const naive = new NaiveMachine();
        const answers = harness.applyEntries(list, cuts);
        expectAsNaive(harness, answers, naive, list);
      }),
      { seed: 11, numRuns: 300 },
    );
  });

  test("comes to the same answers, state and changes however the commands are cut into batches", () => {
    fc.assert(
      fc.property(entries, sizes, (list, cuts) => {
        const single = new Harness();
        const cut = new Harness();
        const whole = new Harness();
        const answers = bytesOf(single.applyEntries(list, [1]));
        expect(bytesOf(cut.applyEntries(list, cuts))).toEqual(answers);
        expect(bytesOf(whole.applyEntries(list, []))).toEqual(answers);
        expect(everythingOf(cut)).toEqual(everythingOf(single));
        expect(everythingOf(whole)).toEqual(everythingOf(single));
      }),
      { seed: 12, numRuns: 300 },
    );
  });

  test("writes all that it holds, so that a store comes to the same, and a machine loaded from it goes on alike", () => {
    fc.assert(
      fc.property(entries, sizes, fc.nat({ max: 60 }), (list, cuts, at) => {
        const through = new Harness();
        const restarted = new Harness();
        through.applyEntries(list, [1]);
        restarted.applyEntries(list.slice(0, at), cuts);
        expect(restarted.store.resident()).toEqual(restarted.machine.resident());
        restarted.restart();
        expect(restarted.machine.resident()).toEqual(restarted.store.resident());
        restarted.applyEntries(list.slice(at), cuts);
        expect(restarted.store.resident()).toEqual(restarted.machine.resident());
        expect(everythingOf(restarted)).toEqual(everythingOf(through));
      }),
      { seed: 13, numRuns: 300 },
    );
  });

  test("C10: applies each request once, and answers each copy alike or says that the answer is gone", () => {
    const copies = fc.array(
      fc.record({ sequence: fc.integer({ min: 1, max: 12 }), behind: fc.integer({ min: 0, max: 12 }) }),
      { maxLength: 60, size: "max" },
    );
    fc.assert(
      fc.property(copies, sizes, (list, cuts) => {
        const harness = new Harness();
        harness.apply(openSessionCommand({ namespace: "", requestId: null, wallTimeMs: 0 }, 1));
        const writes = list.map(({ sequence, behind }) => {
          const firstUnanswered = Math.max(1, sequence - behind);
          const from = {
            namespace: "",
            requestId: { clientId: 1, sequence, firstUnanswered },
            wallTimeMs: 0,
          };
          return encodeCommand(incrementCommand(from, utf8Encode(String(sequence)), 1n));
        });
        const answers = harness.applyEntries(writes, cuts);
        expect(harness.store.contents().map((record) => record.value)).toEqual(
          harness.store.contents().map(() => utf8Encode("1")),
        );
        const done = list.flatMap(({ sequence }, at) => {
          const answer = answers[at] as Answer;
          return answer.result?.$case === "done"
            ? [[sequence, hexEncode(encodeAnswer(answer))] as const]
            : [];
        });
        expect(new Set(done.map(([sequence, bytes]) => `${sequence} ${bytes}`)).size).toBe(
          new Map(done).size,
        );
        expect(harness.store.contents()).toHaveLength(new Map(done).size);
      }),
      { seed: 14, numRuns: 400 },
    );
  });

  test("writes nothing twice: a batch that changes nothing has nothing to write", () => {
    fc.assert(
      fc.property(entries, (list) => {
        const harness = new Harness();
        harness.applyEntries(list, []);
        expect(harness.machine.apply([null], harness.store.read([])).writes).toEqual({
          meta: harness.machine.meta,
          namespaces: [],
          sessions: [],
          sessionsEnded: [],
          answers: [],
          answersDropped: [],
          memberStores: [],
          namespacesDeleted: [],
          leases: [],
          leasesEnded: [],
          leaseKeysDetached: [],
          leaseKeysAttached: [],
          changes: [],
        });
      }),
      { seed: 17, numRuns: 100 },
    );
  });

  test("gives changes in the order of revisions and ordinals, none left out", () => {
    fc.assert(
      fc.property(entries, sizes, (list, cuts) => {
        const harness = new Harness();
        harness.applyEntries(list, cuts);
        let revision = 0;
        let ordinal = 0;
        for (const change of harness.store.changes) {
          const isNext = change.revision === revision + 1;
          expect([change.revision, change.ordinal]).toEqual(
            isNext ? [revision + 1, 0] : [revision, ordinal + 1],
          );
          revision = change.revision;
          ordinal = change.ordinal;
        }
        expect(revision).toBe(harness.machine.meta.revision);
      }),
      { seed: 15, numRuns: 300 },
    );
  });

  test("writes to no bytes that it was handed", () => {
    fc.assert(
      fc.property(entries, (list) => {
        // Entries come as Buffers from the network, and the slice() of a Buffer is a view.
        const buffers = list.map((bytes) => Buffer.from(bytes));
        const harness = new Harness();
        const answers = harness.applyEntries(buffers, []);
        expect(buffers.map(hexEncode)).toEqual(list.map(hexEncode));
        expect(bytesOf(answers)).toEqual(bytesOf(new Harness().applyEntries(list, [])));
      }),
      { seed: 16, numRuns: 100 },
    );
  });
});
