import { describe, expect, it } from "@jest/globals";
import { seededRandom } from "@quorate/services/std";
import { damagedMember, endOf, FAULT_KINDS, type FaultKind, faultTable } from "./fault";
import { isProfileName, PROFILE_NAMES, profiles, profileUsage } from "./profiles";
import { drawSchedule, memberIds, type Schedule } from "./schedule";

/** The rows of the project's list of faults that are in force; the others join with their features. */
const rows = {
  network: [
    "loss",
    "duplication",
    "reordering",
    "exponential delay",
    "per-link clog",
    "one-way partition",
    "isolate one",
    "majority split",
    "ring",
    "bridge node",
    "swizzle",
    "stream reset midway",
    "half-open connection",
    "a connect that never completes",
    "stream of a snapshot reset midway",
    "stream of a snapshot that stands still",
    "bit flip in a snapshot",
  ],
  process: [
    "crash",
    "crash at a fail point",
    "crash loop",
    "crash of all",
    "pause longer than the election timeout",
    "stalls of 50-500 ms",
  ],
  disk: [
    "slow write",
    "failed fsync",
    "EIO",
    "nearly full",
    "ENOSPC",
    "torn write",
    "loss of what was not synced",
    "bit flip in the log",
    "bit flip in the state",
    "wiped directory",
    "roll-back to an old copy",
    "bit flip in a record",
  ],
  clock: ["per-node skew", "per-node drift", "jumps both ways", "frozen"],
  operations: [
    "transfer",
    "forced campaign",
    "add",
    "promote",
    "remove",
    "replace",
    "remove and add again",
    "several changes of the membership at once",
    "priority of a member",
    "a member at other addresses",
    "snapshot",
  ],
} as const;

const SEEDS = 150;
const DURATION_US = 40_000_000;

/** What was drawn already, for a draw takes longer than what is looked for in it. */
const kept = new Map<string, readonly Schedule[]>();

function drawn(profile: Schedule["profile"], nodes = 3): readonly Schedule[] {
  const name = `${profile} ${nodes}`;
  const schedules = kept.get(name) ?? drawnAnew(profile, nodes, SEEDS);
  kept.set(name, schedules);
  return schedules;
}

function drawnAnew(profile: Schedule["profile"], nodes: number, seeds: number): readonly Schedule[] {
  return Array.from({ length: seeds }, (_, seed) =>
    drawSchedule(seededRandom(seed), { nodes, profile, durationUs: DURATION_US }),
  );
}

describe("the list of faults", () => {
  it.each(Object.entries(rows))("K2: every fault of the list has a knob: %s", (where, faults) => {
    const known: readonly string[] = Object.values(faultTable);
    expect(known.filter((row) => row.startsWith(`${where}: `))).toEqual(
      faults.map((fault) => `${where}: ${fault}`),
    );
  });

  it("K2: every kind of fault is in the menu of a profile beside the swarm", () => {
    const offered = new Set<FaultKind>(
      PROFILE_NAMES.filter((name) => name !== "swarm").flatMap((name) => profiles[name].kinds),
    );
    expect(FAULT_KINDS.filter((kind) => !offered.has(kind))).toEqual([]);
  });
});

describe.each(PROFILE_NAMES)("the profile %s", (profile) => {
  it.each([3, 5])("K2: draws every fault of its menu in some of 150 seeds, %i nodes", (nodes) => {
    const kinds = new Set(drawn(profile, nodes).flatMap(({ faults }) => faults.map(({ kind }) => kind)));
    expect([...kinds].sort()).toEqual([...profiles[profile].kinds].sort());
  });

  it("draws the same schedule from the same seed, and another from another", () => {
    const texts = drawn(profile).map((schedule) => JSON.stringify(schedule));
    const again = drawnAnew(profile, 3, 40).map((schedule) => JSON.stringify(schedule));
    expect(again).toEqual(texts.slice(0, 40));
    expect(new Set(texts).size).toBe(profile === "calm" ? 1 : SEEDS);
  });

  it("is the same schedule after a round trip through JSON", () => {
    for (const schedule of drawn(profile).slice(0, 40))
      expect(JSON.parse(JSON.stringify(schedule))).toEqual(schedule);
  });

  it("holds its faults in order, within the run, and each ends after it begins", () => {
    for (const { faults, durationUs } of drawn(profile, 5).slice(0, 40)) {
      const starts = faults.map(({ atUs }) => atUs);
      expect(starts).toEqual([...starts].sort((left, right) => left - right));
      for (const fault of faults) {
        expect(fault.atUs).toBeGreaterThan(0);
        expect(endOf(fault)).toBeLessThanOrEqual(durationUs);
        expect("untilUs" in fault ? fault.untilUs - fault.atUs : 1).toBeGreaterThan(0);
      }
    }
  });

  it.each([3, 4, 5, 7])("damages what is stored on a minority only, %i nodes", (nodes) => {
    const schedules = nodes === 3 || nodes === 5 ? drawn(profile, nodes) : drawnAnew(profile, nodes, 40);
    for (const { faults } of schedules) {
      const damaged = new Set(faults.map(damagedMember).filter((member) => member !== null));
      expect(damaged.size).toBeLessThanOrEqual(Math.floor((nodes - 1) / 2));
    }
  });

  it("leaves quiet gaps of two election timeouts", () => {
    for (const { faults, durationUs } of drawn(profile)) {
      let quietFromUs = 0;
      let quietUs = 0;
      for (const fault of faults) {
        if (fault.atUs - quietFromUs >= 2_000_000) quietUs += fault.atUs - quietFromUs;
        quietFromUs = Math.max(quietFromUs, endOf(fault));
      }
      quietUs += Math.max(0, durationUs - quietFromUs);
      expect(quietUs).toBeGreaterThan(0.1 * durationUs);
    }
  });
});

describe("a swarm", () => {
  it("leaves out most kinds in each seed, and others in the next", () => {
    const sets = drawn("swarm", 5).map(({ faults }) => new Set(faults.map(({ kind }) => kind)));
    for (const kinds of sets) expect(kinds.size).toBeLessThan(FAULT_KINDS.length);
    const perSeed = new Set(sets.map((kinds) => [...kinds].sort().join(" ")));
    expect(perSeed.size).toBeGreaterThan(0.9 * SEEDS);
  });

  it("has clients that misbehave, each in a way of its own", () => {
    const clients = drawn("swarm").map((schedule) => schedule.clients);
    const { timeoutUs: _, ...probabilities } = clients[0]!;
    for (const name of Object.keys(probabilities) as (keyof typeof probabilities)[]) {
      const values = clients.map((faults) => faults[name]);
      expect(values.some((value) => value === 0)).toBe(true);
      expect(values.some((value) => value > 0)).toBe(true);
    }
  });
});

describe("names", () => {
  it("tells those of all profiles to who asks for another", () => {
    expect(isProfileName("swarm")).toBe(true);
    expect(isProfileName("storm")).toBe(false);
    expect(isProfileName("toString")).toBe(false);
    for (const name of PROFILE_NAMES) expect(profileUsage("storm")).toContain(`\n  ${name} `);
  });

  it("numbers the members from one", () => {
    expect(memberIds(3)).toEqual(["n1", "n2", "n3"]);
  });
});
