import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { checkSerializable } from "./serializable";
import { isSerializableByBruteForce } from "./serializable-brute-force";
import type { ListOperation, RecordedTransaction } from "./transactions";

const RUNS = 3_000;

interface Plan {
  readonly begin: number;
  readonly length: number;
  readonly effect: number;
  readonly status: RecordedTransaction["status"];
  readonly operations: readonly { readonly isAppend: boolean; readonly key: string }[];
}

const plans = fc.array(
  fc.record({
    begin: fc.integer({ min: 0, max: 20 }),
    length: fc.integer({ min: 0, max: 12 }),
    effect: fc.float({ min: 0, max: 1, noNaN: true }),
    status: fc.constantFrom<RecordedTransaction["status"][]>("ok", "ok", "ok", "ok", "unknown", "fail"),
    operations: fc.array(fc.record({ isAppend: fc.boolean(), key: fc.constantFrom("x", "y") }), {
      minLength: 1,
      maxLength: 3,
    }),
  }),
  { maxLength: 6 },
);

/** What a store that carries transactions out one after another would answer. */
function atomicHistory(planned: readonly Plan[]): RecordedTransaction[] {
  const lists = new Map<string, readonly string[]>();
  const inOrder = planned
    .map((plan, at) => ({ plan, at, effectAt: plan.begin + plan.effect * plan.length }))
    .sort((left, right) => left.effectAt - right.effectAt || left.at - right.at);
  const records: RecordedTransaction[] = [];
  for (const { plan, at } of inOrder) {
    const { begin, length, status, effect } = plan;
    const isDone = status === "ok" || (status === "unknown" && effect > 0.5);
    const own = new Map(lists);
    const operations = plan.operations.map(({ isAppend, key }, position): ListOperation => {
      const list = own.get(key) ?? [];
      if (!isAppend) return { op: "read", key, values: status === "ok" ? list : null };
      const value = `${at}${"abc"[position]}`;
      own.set(key, [...list, value]);
      return { op: "append", key, value };
    });
    if (isDone) for (const [key, list] of own) lists.set(key, list);
    const ended = status === "unknown" ? {} : { return: String(begin + length) };
    records[at] = { client: `c${at}`, operations, status, invoke: String(begin), ...ended };
  }
  return records;
}

/** Changes one list in one place: nearly right is what tells a good judge. */
function damaged(records: readonly RecordedTransaction[], where: number, how: number): RecordedTransaction[] {
  const reads = records.flatMap(({ operations, status }, at) =>
    operations.flatMap((operation, position) =>
      operation.op === "read" && status === "ok" ? [{ at, position, values: operation.values ?? [] }] : [],
    ),
  );
  const chosen = reads[where % Math.max(1, reads.length)];
  if (chosen === undefined) return [...records];
  const { at, position, values } = chosen;
  const appended = records.flatMap(({ operations }) =>
    operations.flatMap((operation) => (operation.op === "append" ? [operation.value] : [])),
  );
  const changed = [
    values.slice(0, -1),
    values.slice(1),
    [...values, appended[where % Math.max(1, appended.length)] ?? "z"],
    [...values].reverse(),
  ][how % 4] as readonly string[];
  return records.map((record, other) =>
    other !== at
      ? record
      : {
          ...record,
          operations: record.operations.map((operation, place) =>
            place === position && operation.op === "read" ? { ...operation, values: changed } : operation,
          ),
        },
  );
}

describe("strict serializability, by property", () => {
  it("accepts what an atomic store answers", () => {
    fc.assert(
      fc.property(plans, (planned) => {
        expect(checkSerializable(atomicHistory(planned))).toEqual({ kind: "serializable" });
      }),
      { numRuns: RUNS },
    );
  });

  it("agrees with a search of all orders, on histories that are wrong in one place", () => {
    const verdicts = { right: 0, wrong: 0 };
    fc.assert(
      fc.property(plans, fc.nat(), fc.nat(), (planned, where, how) => {
        const records = damaged(atomicHistory(planned), where, how);
        const isRight = isSerializableByBruteForce(records);
        verdicts[isRight ? "right" : "wrong"] += 1;
        const verdict = checkSerializable(records);
        expect({ isRight: verdict.kind === "serializable", verdict }).toEqual({ isRight, verdict });
      }),
      { numRuns: RUNS },
    );
    expect(verdicts.right).toBeGreaterThan(RUNS / 10);
    expect(verdicts.wrong).toBeGreaterThan(RUNS / 10);
  });
});
