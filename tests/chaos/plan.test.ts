import { describe, expect, it } from "@jest/globals";
import { FAULT_GROUPS } from "./fault";
import { FAULT_NAMES, FAULTS, faultsOf } from "./faults";
import { type FaultStep, faultSteps } from "./plan";

function first(count: number, seed: number, electionTimeoutMs = 1000): FaultStep[] {
  const steps = faultSteps({ seed, faults: FAULT_NAMES, electionTimeoutMs });
  return Array.from({ length: count }, () => steps.next().value);
}

describe("the plan", () => {
  it("is the same for the same seed, and another for another", () => {
    expect(first(100, 7)).toEqual(first(100, 7));
    expect(first(100, 7)).not.toEqual(first(100, 8));
  });

  it("brings each fault once a round, in another order each time", () => {
    const count = FAULT_NAMES.length;
    const names = first(3 * count, 1).map(({ fault }) => fault);
    const rounds = [0, 1, 2].map((round) => names.slice(round * count, (round + 1) * count));
    for (const round of rounds) expect([...round].sort()).toEqual([...FAULT_NAMES].sort());
    expect(new Set(rounds.map(String)).size).toBe(3);
  });

  it("numbers its steps from 1", () => {
    expect(first(50, 3).map(({ number }) => number)).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
  });

  it("holds each fault for longer than two elections take to begin", () => {
    for (const { holdMs } of first(200, 5, 250)) {
      expect(holdMs).toBeGreaterThanOrEqual(2 * 250);
      expect(holdMs).toBeLessThanOrEqual(6 * 250);
    }
  });
});

describe("the groups", () => {
  it("hold each fault once, and none is empty", () => {
    const grouped = FAULT_GROUPS.flatMap(faultsOf);
    expect([...grouped].sort()).toEqual([...FAULT_NAMES].sort());
    for (const group of FAULT_GROUPS) expect(faultsOf(group).length).toBeGreaterThan(0);
    for (const name of FAULT_NAMES) expect(FAULT_GROUPS).toContain(FAULTS[name].group);
  });
});
