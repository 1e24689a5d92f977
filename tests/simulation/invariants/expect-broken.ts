import { expect } from "@jest/globals";
import { Violation } from "../violation";
import type { InvariantName } from "./invariant";

/** That `run` finds exactly this broken, and says so with these words. */
export function expectBroken(name: InvariantName, words: string, run: () => void): void {
  let found: unknown = null;
  try {
    run();
  } catch (error) {
    found = error;
  }
  expect(found).toBeInstanceOf(Violation);
  const violation = found as Violation;
  expect({ kind: violation.kind, invariant: violation.invariant }).toEqual({
    kind: "correctness",
    invariant: name,
  });
  expect(violation.detail).toContain(words);
}
