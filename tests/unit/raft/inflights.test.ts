import { describe, expect, test } from "@jest/globals";
import { Inflights } from "@quorate/services/raft";
import fc from "fast-check";

describe("the window of messages in flight", () => {
  test("is full at its number of messages", () => {
    const window = new Inflights(2, Number.POSITIVE_INFINITY);
    window.add(1, 10);
    expect(window.isFull).toBe(false);
    window.add(2, 10);
    expect(window.isFull).toBe(true);
    expect(() => window.add(3, 10)).toThrow("room");
  });

  test("is full once its bytes are reached, by the message that passes them", () => {
    const window = new Inflights(100, 15);
    window.add(1, 10);
    expect(window.isFull).toBe(false);
    window.add(2, 10);
    expect([window.isFull, window.bytes]).toEqual([true, 20]);
  });

  test("is opened by an answer for that message and all before it", () => {
    const window = new Inflights(4, Number.POSITIVE_INFINITY);
    for (const index of [3, 6, 9, 12]) window.add(index, 1);
    window.freeUpTo(2);
    expect(window.messages).toBe(4);
    window.freeUpTo(7);
    expect([window.messages, window.bytes]).toEqual([2, 2]);
    window.freeUpTo(100);
    expect([window.messages, window.bytes]).toEqual([0, 0]);
  });

  test("holds what a plain list would, whatever the order of sending and freeing", () => {
    const action = fc.oneof(
      fc.record({ send: fc.nat(9) }),
      fc.record({ free: fc.nat(40) }),
      fc.constant<"reset">("reset"),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.array(action, { maxLength: 60 }),
        (messagesMax, actions) => {
          const window = new Inflights(messagesMax, 30);
          let model: { index: number; bytes: number }[] = [];
          let index = 0;
          for (const step of actions) {
            if (step === "reset") {
              window.reset();
              model = [];
            } else if ("free" in step) {
              window.freeUpTo(step.free);
              model = model.filter((sent) => sent.index > step.free);
            } else if (!window.isFull) {
              index += 1;
              window.add(index, step.send);
              model.push({ index, bytes: step.send });
            }
            const bytes = model.reduce((sum, sent) => sum + sent.bytes, 0);
            expect([window.messages, window.bytes]).toEqual([model.length, bytes]);
            expect(window.isFull).toBe(model.length >= messagesMax || bytes >= 30);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
