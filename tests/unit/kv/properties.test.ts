import { describe, expect, test } from "@jest/globals";
import {
  type Answer,
  encodeAnswer,
  encodeCommand,
  incrementCommand,
  openSessionCommand,
  Refusal,
} from "@quorate/services/kv";
import { hexEncode, utf8Encode } from "@quorate/services/std";
import fc from "fast-check";
import { isLongRun } from "../../support/long-run";
import { entries, sizes } from "./arbitrary-entries";
import { bytesOf, everythingOf, expectAsNaive } from "./comparison";
import { Harness } from "./harness";
import { NaiveMachine } from "./naive-machine";

const RUNS = isLongRun ? 300 : 60;

describe("the state machine", () => {
  test("meets every kind of answer in what these properties draw", () => {
    const met = new Map<string, number>();
    for (const list of fc.sample(entries, { numRuns: 3 * RUNS })) {
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
    expect(Math.min(...met.values())).toBeGreaterThan(isLongRun ? 20 : 2);
  });

  test("answers as the plain model does, command by command", () => {
    fc.assert(
      fc.property(entries, sizes, (list, cuts) => {
        const harness = new Harness();
        const naive = new NaiveMachine();
        const answers = harness.applyEntries(list, cuts);
        expectAsNaive(harness, answers, naive, list);
      }),
      { numRuns: RUNS },
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
      { numRuns: RUNS },
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
      { numRuns: RUNS },
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
      { numRuns: RUNS },
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
          membership: null,
          namespacesDeleted: [],
          leases: [],
          leasesEnded: [],
          leaseKeysDetached: [],
          leaseKeysAttached: [],
          changes: [],
        });
      }),
      { numRuns: RUNS / 3 },
    );
  });

  test("gives changes in the order of revisions and ordinals, none left out", () => {
    fc.assert(
      fc.property(entries, sizes, (list, cuts) => {
        const harness = new Harness();
        harness.applyEntries(list, cuts);
        let revision = 0;
        let ordinal = 0;
        const expected: [number, number][] = [];
        for (const change of harness.store.changes) {
          const isNext = change.revision === revision + 1;
          expected.push(isNext ? [revision + 1, 0] : [revision, ordinal + 1]);
          revision = change.revision;
          ordinal = change.ordinal;
        }
        expect(harness.store.changes.map((change) => [change.revision, change.ordinal])).toEqual(expected);
        expect(revision).toBe(harness.machine.meta.revision);
      }),
      { numRuns: RUNS },
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
      { numRuns: RUNS / 3 },
    );
  });
});
