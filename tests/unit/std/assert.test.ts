import { expect, test } from "@jest/globals";
import { AssertionError, assert, unreachable } from "@quorate/services/std";

test("a fact that holds passes, one that does not is named", () => {
  assert(1 + 1 === 2, "one and one are two");
  expect(() => assert(false, "the queue is empty")).toThrow(AssertionError);
  expect(() => assert(false, "the queue is empty")).toThrow("does not hold: the queue is empty");
});

test("a value from outside its type is named", () => {
  expect(() => unreachable("purple" as never)).toThrow("unreachable: purple");
});
