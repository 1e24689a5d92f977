import { describe, expect, test } from "@jest/globals";
import { BoundedQueue } from "@quorate/services/std";
import fc from "fast-check";

describe("a bounded queue", () => {
  test("gives back in the order of arrival and says when it is full", () => {
    const queue = new BoundedQueue<string>(2);
    expect([queue.push("a"), queue.push("b"), queue.push("c")]).toEqual(["accepted", "accepted", "full"]);
    expect([queue.peek(), queue.shift(), queue.shift(), queue.shift()]).toEqual(["a", "a", "b", undefined]);
  });

  test("can be drained and used again", () => {
    const queue = new BoundedQueue<number>(3);
    for (const item of [1, 2, 3]) queue.push(item);
    expect([queue.drain(), queue.length, queue.peek()]).toEqual([[1, 2, 3], 0, undefined]);
    expect(queue.push(4)).toBe("accepted");
    expect([...queue]).toEqual([4]);
  });

  test("holds what a plain list would, whatever comes and goes", () => {
    const action = fc.oneof(
      { weight: 3, arbitrary: fc.nat(99) },
      { weight: 2, arbitrary: fc.constant("shift" as const) },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(action, { maxLength: 200 }),
        (lengthMax, actions) => {
          const queue = new BoundedQueue<number>(lengthMax);
          const model: number[] = [];
          for (const step of actions) {
            if (step === "shift") expect(queue.shift()).toBe(model.shift());
            else if (queue.push(step) === "accepted") model.push(step);
            else expect(model).toHaveLength(lengthMax);
            expect([...queue]).toEqual(model);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test("refuses a bound that holds nothing", () => {
    expect(() => new BoundedQueue(0)).toThrow("at least one");
  });
});
