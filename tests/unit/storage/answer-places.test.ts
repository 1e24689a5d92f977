import { expect, test } from "@jest/globals";
import { AnswerPlaces, type AnswerRow } from "@quorate/services/storage";
import * as fc from "fast-check";

const sequence = fc.oneof(fc.nat(40), fc.integer({ min: 2 ** 31 - 3, max: 2 ** 31 + 3 }), fc.nat(2 ** 40));
const step = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), sequence }),
  fc.record({ kind: fc.constant("take" as const), sequence }),
);

test("the places of answers are as a map from their sequences, and what is taken is gone from its row", () => {
  void fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const places = new AnswerPlaces<string>();
      const known = new Map<number, AnswerRow<string>>();
      for (const [number, { kind, sequence: at }] of steps.entries()) {
        const before = known.get(at) ?? null;
        if (kind === "add") {
          const row = { number, storedCount: 2, answers: ["another", `${at}`], keptCount: 2 };
          places.add(at, row, 1);
          if (number % 3 === 0) places.trim();
          known.set(at, row);
        } else {
          expect(places.take(at)).toBe(before);
          expect(before?.answers ?? ["another", null]).toEqual(["another", null]);
          known.delete(at);
        }
      }
      expect([...places.all()].sort()).toEqual([...known.keys()].sort());
      for (const row of known.values()) expect(row.answers).not.toContain(null);
    }),
  );
});

test("few answers take little room, however many came and went, or came again", () => {
  const places = new AnswerPlaces<string>();
  const row = (): AnswerRow<string> => ({ number: 1, storedCount: 1, answers: ["one"], keptCount: 1 });
  for (let sequence = 1; sequence <= 10_000; sequence += 1) {
    places.add(sequence, row(), 0);
    places.add(sequence, row(), 0);
    if (sequence > 8) places.take(sequence - 8);
  }
  expect(places.all()).toHaveLength(8);
  expect(Reflect.get(places, "rows").length).toBeLessThanOrEqual(32);
});
