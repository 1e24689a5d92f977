import { describe, expect, it } from "@jest/globals";
import type { CrashPoint } from "./fault";
import { LEADER } from "./fault";
import { type Moment, Run, SECOND_US, scheduleOf } from "./rig";

interface Case {
  readonly point: CrashPoint;
  /** How much of the last write there may be: how many entries, or batches, more than before it. */
  readonly kept: readonly (0 | 1)[];
}

const cases: readonly Case[] = [
  { point: "before_log_append", kept: [0] },
  { point: "during_log_append", kept: [0, 1] },
  { point: "after_log_append", kept: [1] },
];

const SEEDS = Array.from({ length: 4 }, (_, seed) => seed);

async function crashedAt(
  point: CrashPoint,
  seed: number,
): Promise<{ readonly run: Run; readonly crash: Moment }> {
  const fault = {
    kind: "crash_at",
    atUs: 5 * SECOND_US,
    untilUs: 10 * SECOND_US,
    target: LEADER,
    point,
  } as const;
  const run = new Run(seed, scheduleOf([{ ...fault, skip: 0, downUs: 500_000 }]));
  await run.until(12);
  const crashes = run.moments.filter(({ what }) => what === "crashed");
  expect(crashes).toHaveLength(1);
  return { run, crash: crashes[0]! };
}

describe("a crash at a point", () => {
  it.each(cases)("K2: $point leaves $kept of the write", async ({ point, kept }) => {
    const found = new Set<number>();
    for (const seed of SEEDS) {
      const { run, crash } = await crashedAt(point, seed);
      const writing = run.momentsOf("appending", crash.member).findLast(({ atUs }) => atUs <= crash.atUs)!;
      expect(writing.batch!.entries).toHaveLength(1);
      found.add(crash.lastIndex - writing.lastIndex);
    }
    expect([...found].sort()).toEqual(kept);
  });

  it.each([
    ["before_state_write", false],
    ["after_state_write", true],
  ] as const)("K2: %s knows whether the batch is there: %s", async (point, isThere) => {
    for (const seed of SEEDS) {
      const { run, crash } = await crashedAt(point, seed);
      const before = run.moments
        .slice(0, run.moments.indexOf(crash))
        .filter(({ member }) => member === crash.member);
      const last = before.filter(({ what }) => what === "stateWriting" || what === "stateWritten").at(-1)!;
      expect(last.what).toBe(isThere ? "stateWritten" : "stateWriting");
      expect(last.atUs).toBe(crash.atUs);
    }
  });

  it("K2: during_state_write comes amid a write of the state", async () => {
    const outcomes = new Set<Moment["what"]>();
    for (const seed of SEEDS) {
      const { run, crash } = await crashedAt("during_state_write", seed);
      const before = run.moments
        .slice(0, run.moments.indexOf(crash))
        .filter(({ member }) => member === crash.member);
      outcomes.add(before.filter(({ what }) => what.startsWith("state")).at(-1)!.what);
    }
    expect([...outcomes].sort()).toEqual(["stateWriting", "stateWritten"]);
  });

  it.each([
    ["before_send", 0],
    ["after_send", 1],
  ] as const)("K2: %s lets %i copy of the message out", async (point, copies) => {
    for (const seed of SEEDS) {
      const { run, crash } = await crashedAt(point, seed);
      const message = run.messages.find(
        ({ message, sentUs }) => message.from === crash.member && sentUs === crash.atUs,
      )!;
      expect(message.deliveredUs).toHaveLength(copies);
    }
  });

  it("lets so many such moments pass first, and gives up at its end", async () => {
    const fault = {
      kind: "crash_at",
      atUs: 5 * SECOND_US,
      target: LEADER,
      point: "after_log_append",
    } as const;
    const third = new Run(1, scheduleOf([{ ...fault, untilUs: 10 * SECOND_US, skip: 2, downUs: 500_000 }]));
    await third.until(10);
    const crash = third.moments.find(({ what }) => what === "crashed")!;
    const passed = third.momentsOf("appended", crash.member).filter(({ atUs }) => atUs >= 5 * SECOND_US);
    expect(passed.findIndex(({ atUs }) => atUs === crash.atUs)).toBe(2);

    const never = new Run(1, scheduleOf([{ ...fault, untilUs: 6 * SECOND_US, skip: 50, downUs: 500_000 }]));
    await never.until(20);
    expect(never.moments.some(({ what }) => what === "crashed")).toBe(false);
  });
});
