import { describe, expect, it } from "@jest/globals";
import { seededRandom } from "@quorate/services/std";
import { CALM_CLIENTS } from "./client-faults";
import type { Fault, FaultKind } from "./fault";
import { drawSchedule, type Schedule } from "./schedule";
import { shrink } from "./shrink";

function has(schedule: Schedule, kind: FaultKind): boolean {
  return schedule.faults.some((fault) => fault.kind === kind);
}

const large = drawSchedule(seededRandom(11), { nodes: 5, profile: "swarm", durationUs: 120_000_000 });
const kinds = [...new Set(large.faults.map(({ kind }) => kind))];

async function shrunk(fails: (schedule: Schedule) => boolean, runsMax = 20_000) {
  const asked: Schedule[] = [];
  const result = await shrink(
    large,
    async (schedule) => {
      asked.push(schedule);
      return fails(schedule);
    },
    { runsMax },
  );
  return { ...result, asked };
}

describe("shrinking a schedule", () => {
  it("starts from one that is large", () => {
    expect(large.faults.length).toBeGreaterThan(30);
    expect(kinds.length).toBeGreaterThan(3);
  });

  it("finds that no fault is needed, in one run more", async () => {
    const { schedule, isMinimal } = await shrunk(() => true);
    expect(schedule).toEqual({ ...large, faults: [], clients: CALM_CLIENTS, operations: 0, durationUs: 0 });
    expect(isMinimal).toBe(true);
  });

  it("finds the one fault that matters", async () => {
    const wanted = large.faults[17] as Fault;
    const { schedule } = await shrunk(({ faults }) => faults.some(({ atUs }) => atUs === wanted.atUs));
    expect(schedule.faults.map(({ kind, atUs }) => ({ kind, atUs }))).toEqual([
      { kind: wanted.kind, atUs: wanted.atUs },
    ]);
  });

  it("finds the pair that matters", async () => {
    const [first, second] = [kinds[0] as FaultKind, kinds.at(-1) as FaultKind];
    const { schedule } = await shrunk((candidate) => has(candidate, first) && has(candidate, second));
    expect(new Set(schedule.faults.map(({ kind }) => kind))).toEqual(new Set([first, second]));
    expect(schedule.faults).toHaveLength(2);
  });

  it("keeps them all where all are needed", async () => {
    const { schedule, isMinimal } = await shrunk(({ faults }) => faults.length === large.faults.length);
    expect(schedule.faults).toHaveLength(large.faults.length);
    expect(isMinimal).toBe(true);
  });

  it("takes away what clients do wrong, but for what matters", async () => {
    const { schedule } = await shrunk(({ clients }) => clients.staleReadProbability !== 0.1);
    expect(schedule.clients).toEqual({
      ...CALM_CLIENTS,
      staleReadProbability: large.clients.staleReadProbability,
    });
  });

  it("finds about how many operations it takes", async () => {
    const { schedule } = await shrunk(({ operations }) => operations >= 137);
    expect(schedule.operations).toBeGreaterThanOrEqual(137);
    expect(schedule.operations).toBeLessThan(150);
  });

  it("shortens the fault that matters, and the run after it", async () => {
    const wanted = large.faults.find((fault) => "untilUs" in fault && fault.kind !== "swizzle")!;
    const neededUs = wanted.atUs + 5000;
    const { schedule } = await shrunk(({ faults }) =>
      faults.some((fault) => fault.atUs === wanted.atUs && "untilUs" in fault && fault.untilUs >= neededUs),
    );
    const [left] = schedule.faults;
    expect(left).toMatchObject({ kind: wanted.kind, atUs: wanted.atUs });
    expect((left as { untilUs: number }).untilUs).toBeLessThan((wanted as { untilUs: number }).untilUs);
    expect(schedule.durationUs).toBeLessThan(0.2 * large.durationUs + wanted.atUs);
  });

  it("runs no more often than allowed, and says that there may be smaller ones", async () => {
    const { runs, asked, isMinimal } = await shrunk(({ faults }) => faults.length >= 7, 12);
    expect(runs).toBe(12);
    expect(asked).toHaveLength(12);
    expect(isMinimal).toBe(false);
  });

  it("asks about no schedule twice, and the same ones each time", async () => {
    const matters = (schedule: Schedule): boolean =>
      schedule.faults.filter(({ atUs }) => atUs % 3 === 0).length >= 3;
    const texts = (await shrunk(matters)).asked.map((schedule) => JSON.stringify(schedule));
    expect(new Set(texts).size).toBe(texts.length);
    expect((await shrunk(matters)).asked.map((schedule) => JSON.stringify(schedule))).toEqual(texts);
  });

  it("reports each smaller one that still fails", async () => {
    const sizes: number[] = [];
    await shrink(large, async ({ faults }) => faults.length >= 2, {
      runsMax: 500,
      progress: ({ faults }) => sizes.push(faults.length),
    });
    expect(sizes.length).toBeGreaterThan(1);
    expect(sizes.at(-1)).toBe(2);
  });
});
