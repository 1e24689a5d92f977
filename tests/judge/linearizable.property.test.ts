import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { isLinearizableByBruteForce } from "./brute-force";
import type { HistoryRecord } from "./history";
import { formatHistory } from "./history-file";
import { checkLinearizable } from "./linearizable";
import { simulatedHistory } from "./simulated-history";
import { failed, Sketch, unanswered } from "./sketch";

/** Which of the operations are tried: few at a time, so that they meet each other often. */
const mixes = fc.constantFrom<(readonly HistoryRecord["op"][])[]>(
  ["get", "put"],
  ["get", "put", "delete"],
  ["get", "put", "cas", "delete"],
  ["get", "incr"],
  ["get", "incr", "delete"],
  ["get", "append"],
  ["get", "append", "put"],
  ["get", "put", "cas", "delete", "incr", "append"],
);

/** Any results at any times: nearly always wrong where many operations follow each other, often right where they overlap. */
function wildHistories(operationsMax: number): fc.Arbitrary<HistoryRecord[]> {
  const value = fc.constantFrom("a", "b", "1", "2", "");
  const rev = fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined });
  return fc
    .record({ mix: mixes, hasRevisions: fc.boolean() })
    .chain(({ mix, hasRevisions }) =>
      fc.array(
        fc
          .tuple(
            fc.record({ op: fc.constantFrom(...mix), value, expect: fc.option(value), flag: fc.boolean() }),
            fc.record({
              rev: hasRevisions ? rev : fc.constant(undefined),
              by: fc.integer({ min: -1, max: 2 }),
            }),
            fc.record({ from: fc.integer({ min: 0, max: 30 }), length: fc.integer({ min: 0, max: 20 }) }),
            fc.constantFrom("ok", "ok", "ok", "unknown", "fail"),
          )
          .map(([what, more, when, status]) => {
            const record = wildRecord(what, more, [when.from, when.from + when.length]);
            if (status === "unknown") return unanswered(record);
            return status === "fail" ? failed(record) : record;
          }),
        { maxLength: operationsMax },
      ),
    )
    .map((records) => records.map((record, at) => ({ ...record, client: `c${at}` })));
}

function wildRecord(
  what: { op: HistoryRecord["op"]; value: string; expect: string | null; flag: boolean },
  { rev, by }: { rev: number | undefined; by: number },
  span: readonly [number, number],
): HistoryRecord {
  const client = new Sketch("c");
  switch (what.op) {
    case "get":
      return what.expect === null ? client.get(span, null) : client.get(span, what.expect, rev);
    case "put":
      return client.put(span, what.value, rev);
    case "delete":
      return client.delete(span, what.flag, what.flag ? rev : undefined);
    case "cas":
      return client.cas(span, what.expect, what.value, what.flag, rev);
    case "incr":
      return client.incr(span, by, by + (span[0] % 3), rev);
    case "append":
      return client.append(span, what.value, (what.expect ?? "") + (what.flag ? what.value : ""), rev);
  }
}

/** A history that is right, then changed in one place: nearly right is what tells a good judge. */
const damagedHistories = fc
  .record({
    seed: fc.nat(),
    operations: mixes,
    count: fc.integer({ min: 2, max: 7 }),
    hasRevisions: fc.boolean(),
    at: fc.nat(6),
    from: fc.nat(6),
    change: fc.constantFrom("result", "fail", "unknown", "earlier", "drop"),
  })
  .map(({ seed, operations, count, hasRevisions, at, from, change }) => {
    const records = simulatedHistory({ seed, operations, count, clients: 3, keys: 1, hasRevisions });
    const victim = records[at % Math.max(1, records.length)];
    if (victim === undefined) return records;
    const like = records.filter(({ op, status }) => op === victim.op && status === "ok");
    const other = like[from % Math.max(1, like.length)];
    const replacement = damaged(victim, other, change);
    return records.flatMap((record) => (record === victim ? replacement : [record]));
  });

function damaged(victim: HistoryRecord, other: HistoryRecord | undefined, change: string): HistoryRecord[] {
  switch (change) {
    case "result":
      return [
        victim.status === "ok" && other !== undefined
          ? ({ ...victim, result: other.result } as HistoryRecord)
          : victim,
      ];
    case "fail":
      return [failed(victim)];
    case "unknown":
      return [unanswered(victim)];
    case "earlier":
      return [victim.return === undefined ? victim : { ...victim, return: victim.invoke }];
    default:
      return [];
  }
}

function agree(records: HistoryRecord[]): void {
  const verdict = checkLinearizable(records).kind;
  const expected = isLinearizableByBruteForce(records) ? "linearizable" : "violation";
  if (verdict !== expected) throw new Error(`${verdict}, but ${expected}:\n${formatHistory(records)}`);
}

describe("the linearizability search", () => {
  it("K5: finds no fault with what an atomic store did, and is undecided about one history of a hundred at most", () => {
    let judged = 0;
    let undecided = 0;
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          operations: mixes,
          count: fc.integer({ min: 0, max: 200 }),
          clients: fc.integer({ min: 1, max: 8 }),
          keys: fc.integer({ min: 1, max: 3 }),
          hasRevisions: fc.boolean(),
        }),
        (options) => {
          const records = simulatedHistory(options);
          const verdict = checkLinearizable(records);
          judged += 1;
          // Of one with dozens of appends that nobody knows the end of, the states are too many to visit.
          if (verdict.kind === "undecided") undecided += 1;
          else if (verdict.kind !== "linearizable") {
            throw new Error(`${JSON.stringify(verdict, null, 1)}\n${formatHistory(records)}`);
          }
        },
      ),
      { numRuns: 400 },
    );
    expect(undecided).toBeLessThanOrEqual(judged / 100);
  });

  it("K5: gives the verdict of brute force on histories damaged in one place", () => {
    fc.assert(fc.property(damagedHistories, agree), { numRuns: 3_000 });
  });

  it("K5: gives the verdict of brute force on arbitrary small histories", () => {
    fc.assert(fc.property(wildHistories(6), agree), { numRuns: 6_000 });
  });

  it("sees both verdicts often in what is compared with brute force", () => {
    const counts = { linearizable: 0, violation: 0, undecided: 0 };
    for (const records of fc.sample(fc.oneof(damagedHistories, wildHistories(6)), { numRuns: 2_000 })) {
      counts[checkLinearizable(records).kind] += 1;
    }
    expect(Math.min(counts.linearizable, counts.violation)).toBeGreaterThan(400);
    expect(counts.undecided).toBe(0);
  });
});
