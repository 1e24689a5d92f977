import { expect, test } from "@jest/globals";
import { Pledge } from "../../../services/raft/pledge";

test("what a member pledged before it was started is not cut short by a pledge that ends earlier", () => {
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs, wallMs: () => nowMs };
  const pledge = new Pledge({ pledgeMs: 1_000, leaseMs: 900, pledgedMs: 5_000 }, clock);
  expect(pledge.give({ round: 1, ms: 100 })).toBe(1);
  nowMs = 4_999;
  expect(pledge.isBinding).toBe(true);
  nowMs = 5_000;
  expect(pledge.isBinding).toBe(false);
});
