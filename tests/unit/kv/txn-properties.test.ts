import { describe, expect, test } from "@jest/globals";
import {
  type Answer,
  type Command,
  createNamespaceCommand,
  type Done,
  deleteCommand,
  encodeCommand,
  grantLeaseCommand,
  putCommand,
  revokeLeaseCommand,
  setQuotaCommand,
  tickCommand,
  truncateCommand,
  txnCommand,
} from "@quorate/services/kv";
import { EMPTY_BYTES, utf8Encode } from "@quorate/services/std";
import fc from "fast-check";
import { isLongRun } from "../../support/long-run";
import { arbitraryTxn } from "./arbitrary-txn";
import { bytesOf, everythingOf, expectAsNaive } from "./comparison";
import { ANYONE, Harness } from "./harness";
import { NaiveMachine } from "./naive-machine";

/*
 * As the properties of the whole machine, but of little else than transactions, so that far more of them meet records.
 */

const key = fc.oneof(
  { weight: 7, arbitrary: fc.constantFrom("a", "aa", "ab", "b", "ba", "c", "d").map(utf8Encode) },
  { weight: 2, arbitrary: fc.constant(EMPTY_BYTES) },
);
const named = fc.constantFrom("a", "aa", "ab", "b", "ba", "c", "d").map(utf8Encode);
const value = fc.constantFrom("", "1", "7", "-3", "seven", "0123456789").map(utf8Encode);
const leaseId = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0n) },
  { weight: 1, arbitrary: fc.constantFrom(1n, 2n) },
);
const source = fc.constantFrom("", "", "", "other").map((namespace) => ({ ...ANYONE, namespace }));

const put = fc.tuple(source, named, value, leaseId).map(([from, at, held, lease]) =>
  putCommand(from, {
    key: at,
    value: held,
    leaseId: lease,
    returnPrevious: false,
    expectedModRevision: null,
  }),
);

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 24,
    arbitrary: fc
      .tuple(
        source,
        arbitraryTxn({
          key,
          value,
          leaseId,
          delta: fc.bigInt(-9n, 9n),
          expectedModRevision: fc.bigInt(0n, 9n),
        }),
      )
      .map(([from, txn]) => txnCommand(from, txn)),
  },
  { weight: 12, arbitrary: put },
  {
    weight: 2,
    arbitrary: fc
      .tuple(source, named)
      .map(([from, at]) => deleteCommand(from, { key: at, returnPrevious: true, expectedModRevision: null })),
  },
  { weight: 1, arbitrary: source.map(truncateCommand) },
  { weight: 1, arbitrary: fc.constantFrom(1n, 2n).map((lease) => revokeLeaseCommand(ANYONE, lease)) },
  { weight: 1, arbitrary: fc.constantFrom(5, 20).map((elapsedMs) => tickCommand(elapsedMs, 0)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom("default", "other"), fc.constantFrom(null, 3, 5), fc.constantFrom(null, 30))
      .map(([name, keysMax, bytesMax]) => setQuotaCommand(ANYONE, name, { keysMax, bytesMax })),
  },
);

/** Leases, a namespace, which the first batch creates where it is not cut before, and records to begin with. */
const entries = fc
  .tuple(fc.array(put, { minLength: 5, maxLength: 5 }), fc.array(command, { maxLength: 30, size: "max" }))
  .map(([puts, list]) =>
    [
      grantLeaseCommand(ANYONE, 10),
      grantLeaseCommand(ANYONE, 30),
      createNamespaceCommand(ANYONE, "other"),
      ...puts,
      ...list,
    ].map(encodeCommand),
  );

const sizes = fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 12, size: "max" });

/** What is to be met in the drawn lists, or these properties would say little. */
const facts = {
  "the success branch": ({ txn }) => txn?.succeeded === true,
  "the failure branch": ({ txn }) => txn?.succeeded === false,
  "a nested Txn": ({ txn }) => txn?.results.some((result) => result.txn !== undefined) === true,
  "a record read": ({ txn }) => txn?.results.some(({ record }) => record !== undefined) === true,
  "a range read": ({ txn }) => txn?.results.some(({ records }) => records.length > 1) === true,
  "a range with more": ({ txn }) => txn?.results.some(({ more }) => more) === true,
  "a count": ({ txn }) => txn?.results.some(({ count }) => count > 1n) === true,
  "a range deleted": ({ txn }) => txn?.results.some(({ deleted }) => deleted > 1n) === true,
} as const satisfies Record<string, (done: Done) => boolean>;

const refusals = [
  "the answer would be longer",
  "the values of the range are longer",
  "expected_mod_revision is",
  "the most that one call deletes",
  "the most that are counted",
  "there is no lease",
  "its quota is",
  "holds no further one",
  "operator has the unknown value",
];

const RUNS = isLongRun ? 300 : 60;

describe("transactions as drawn", () => {
  test("meet each fact and each refusal", () => {
    const met = new Map<string, number>();
    for (const list of fc.sample(entries, { numRuns: 3 * RUNS })) {
      for (const answer of new Harness().applyEntries(list, [])) {
        for (const fact of factsOf(answer)) met.set(fact, (met.get(fact) ?? 0) + 1);
      }
    }
    expect([...met.keys()].sort()).toEqual([...Object.keys(facts), ...refusals].sort());
    expect(Math.min(...met.values())).toBeGreaterThan(RUNS / 30);
  });

  test("A21: answer as the plain model does, and leave what it leaves", () => {
    fc.assert(
      fc.property(entries, sizes, (list, cuts) => {
        const harness = new Harness();
        expectAsNaive(harness, harness.applyEntries(list, cuts), new NaiveMachine(), list);
      }),
      { numRuns: RUNS },
    );
  });

  test("A21: come to the same answers, state and changes however they are cut into batches, and on replay", () => {
    fc.assert(
      fc.property(entries, sizes, fc.nat({ max: 38 }), (list, cuts, at) => {
        const single = new Harness();
        const cut = new Harness();
        const restarted = new Harness();
        const answers = bytesOf(single.applyEntries(list, [1]));
        expect(bytesOf(cut.applyEntries(list, cuts))).toEqual(answers);
        const first = restarted.applyEntries(list.slice(0, at), cuts);
        restarted.restart();
        const then = restarted.applyEntries(list.slice(at), []);
        expect(bytesOf([...first, ...then])).toEqual(answers);
        expect(everythingOf(cut)).toEqual(everythingOf(single));
        expect(everythingOf(restarted)).toEqual(everythingOf(single));
      }),
      { numRuns: RUNS / 1.5 },
    );
  });

  test("A21: change each key once a revision, by one version, and tell each change of a record and no other", () => {
    fc.assert(
      fc.property(entries, sizes, (list, cuts) => {
        const harness = new Harness();
        harness.applyEntries(list, cuts);
        const versions = new Map<string, number>();
        const seen = new Set<string>();
        for (const change of harness.store.changes) {
          if (change.kind === "truncate") continue;
          const at = change.kind === "put" ? change.record.key : change.key;
          const id = `${change.namespaceId}/${change.generation}/${at.join()}`;
          expect(seen.has(`${id}@${change.revision}`)).toBe(false);
          seen.add(`${id}@${change.revision}`);
          const before = versions.get(id) ?? 0;
          if (change.kind === "delete") {
            expect(before).toBeGreaterThan(0);
            versions.set(id, 0);
          } else {
            const { version, createRevision, modRevision } = change.record;
            expect(modRevision).toBe(change.revision);
            expect(createRevision === change.revision ? 1 : before + 1).toBe(version);
            versions.set(id, version);
          }
        }
      }),
      { numRuns: RUNS / 3 },
    );
  });
});

function factsOf({ result }: Answer): string[] {
  if (result?.$case === "refused") {
    return refusals.filter((refusal) => result.value.message.includes(refusal));
  }
  return Object.entries(facts)
    .filter(([, isMet]) => result?.$case === "done" && isMet(result.value))
    .map(([fact]) => fact);
}
