import { describe, expect, it } from "@jest/globals";
import { isLongRun } from "../support/long-run";
import { type Finding, type RunOptions, runSeed } from "./run";

/** A run takes some seconds on a busy machine. */
const MS_MAX = 600_000;
const SEEDS_SOUND = isLongRun ? 8 : 4;
const SEEDS_BEYOND = 40;

type Plant = NonNullable<RunOptions["plant"]>;

/** What the first of so many seeds finds that finds anything. */
async function firstFinding(seeds: number, plant: Plant): Promise<Finding | null> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const { finding } = await runSeed({
      seed,
      profile: "lease_reads",
      nodes: null,
      operations: 300,
      isRestored: false,
      plant,
    });
    if (finding !== null) return finding;
  }
  return null;
}

describe("reads by the leader's lease", () => {
  it(
    "are sound on clocks as different as they may be",
    async () => {
      const rates: number[] = [];
      const finding = await firstFinding(SEEDS_SOUND, ({ seats }) =>
        rates.push(...seats.map(({ clock }) => clock.rate)),
      );
      expect(finding).toBeNull();
      expect(Math.max(...rates) / Math.min(...rates)).toBeGreaterThan(1.1);
    },
    MS_MAX,
  );

  it(
    "are found not to be on clocks that differ by more",
    async () => {
      const finding = await firstFinding(SEEDS_BEYOND, ({ seats }) => {
        // One alone is slow: a quorum without it must have no other slow pledge to wait for.
        for (const { id, clock } of seats) clock.rate = id === "n1" ? 0.6 : 1.6;
      });
      expect(finding?.invariant).toBe("nobody else is elected during a lease");
    },
    MS_MAX,
  );
});
