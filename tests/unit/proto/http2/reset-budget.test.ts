import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { ResetBudget } from "../../../../proto/http2/reset-budget";

let nowMs: number;

beforeEach(() => {
  nowMs = 5000;
  jest.spyOn(performance, "now").mockImplementation(() => nowMs);
});

afterEach(() => {
  jest.restoreAllMocks();
});

/** How many resets are borne, of those that come at once. */
function borne(budget: ResetBudget): number {
  let count = 0;
  while (!budget.spend() && count < 5000) count += 1;
  return count;
}

test("a thousand resets are borne at once, and from then on 33 more a second", () => {
  const budget = new ResetBudget();
  expect(borne(budget)).toBe(1000);
  nowMs += 3000;
  // The one that was too many counts, too.
  expect(borne(budget)).toBe(3 * 33 - 1);
});

test("of a connection on which nothing was reset for long no more are borne at once", () => {
  const budget = new ResetBudget();
  nowMs += 3_600_000;
  expect(borne(budget)).toBe(1000);
});

test("a few a second are borne for ever", () => {
  const budget = new ResetBudget();
  let refused = 0;
  for (let second = 0; second < 1000; second += 1) {
    nowMs += 1000;
    for (let nth = 0; nth < 33; nth += 1) if (budget.spend()) refused += 1;
  }
  expect(refused).toBe(0);
});
