import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Entry } from "@quorate/services/raft";
import type { LogStore } from "@quorate/services/replica";
import { diskBytes } from "@quorate/services/storage";
import { LevelRig } from "../../compliance/level-rig";
import { allEntries, entry } from "../../compliance/log-store";
import { isLongRun } from "../../support/long-run";
import { flipBit, segmentsOf } from "./damaged-files";

const SYNC = { sync: true };
const VALUE = "v".repeat(1000);

const SEGMENT_BYTES = 256 * 1024;
/** The present one, and that of the first entry; each ends with the append that fills it. */
const SPARE_BYTES_MAX = 2 * (SEGMENT_BYTES + 150 * VALUE.length);

describe("cutting the log", () => {
  let rig: LevelRig;

  beforeEach(async () => {
    rig = await LevelRig.create({ logSegmentBytesMax: SEGMENT_BYTES });
  });

  afterEach(() => rig.dispose());

  const logPath = () => join(rig.path, "log");

  async function append(log: LogStore, from: number, to: number, isSettled = true): Promise<void> {
    for (let first = from; first <= to; first += 100) {
      const entries: Entry[] = [];
      for (let index = first; index <= Math.min(to, first + 99); index += 1) {
        entries.push(entry(index, 1, VALUE));
      }
      await log.append({ entries, hardState: null }, SYNC);
      // The next segment is made meanwhile, and until it is there the present one grows.
      if (isSettled) await rig.settle();
    }
  }

  it("F1: the space of what was given up comes back", async () => {
    const log = await rig.openLog();
    await append(log, 1, 6_000);
    expect(await diskBytes(logPath())).toBeGreaterThan(6_000_000);
    await log.cut(5_900);
    await rig.settle();
    expect(await diskBytes(logPath())).toBeLessThan(SPARE_BYTES_MAX + 100 * VALUE.length);
    expect(log.bytes).toBeLessThan(120_000);
    await append(log, 6_001, 6_050);
    await rig.kill();
    const reopened = await rig.openLog();
    expect([reopened.firstIndex(), reopened.lastIndex()]).toEqual([5_901, 6_050]);
    expect(allEntries(reopened)).toHaveLength(150);
  });

  it("F1: so does that of a log that is reset", async () => {
    const log = await rig.openLog();
    await append(log, 1, 6_000);
    await log.reset({ term: 2, index: 50_000 });
    await rig.settle();
    expect(await diskBytes(logPath())).toBeLessThan(SPARE_BYTES_MAX);
  });

  it("E6: segments that a crash leaves, or brings back in part, are no part of the log, and go", async () => {
    const log = await rig.openLog();
    await append(log, 1, 3000);
    await rig.kill();
    const before = await segmentsOf(logPath());
    const copies = before.map((path) => ({ path, copy: join(rig.path, "copies", path.slice(-14)) }));
    for (const { path, copy } of copies) await cp(path, copy);
    const cut = await rig.openLog();
    await cut.cut(2900);
    await rig.settle();
    await rig.close();
    const left = await segmentsOf(logPath());
    const removed = copies.filter(({ path }) => !left.includes(path));
    expect(removed.length).toBeGreaterThan(5);
    // A power failure may bring any of them back; what they hold counts for nothing.
    for (const back of [removed, removed.slice(0, 2), removed.filter((_, at) => at % 2 === 0)]) {
      for (const { path, copy } of back) await cp(copy, path);
      await flipBit((back[0] as { path: string }).path, 0.5);
      const reopened = await rig.openLog();
      expect([reopened.firstIndex(), reopened.lastIndex()]).toEqual([2901, 3000]);
      expect(allEntries(reopened)).toHaveLength(100);
      await rig.settle();
      expect(await segmentsOf(logPath())).toEqual(left);
      await rig.close();
    }
  });

  it.each([0.9, 0.99])("E6: it holds together wherever a crash stops it under load (%d)", async (share) => {
    let log = await rig.openLog();
    let next = 1;
    for (let round = 0; round < (isLongRun ? 8 : 4); round += 1) {
      const appended = append(log, next, next + 699, false);
      const cuts: Promise<void>[] = [];
      for (let step = 1; step <= 4; step += 1) {
        const index = Math.floor((log.lastIndex() - log.firstIndex()) * share) + log.firstIndex();
        if (index >= log.firstIndex() && index <= log.lastIndex()) cuts.push(log.cut(index));
        await new Promise(setImmediate);
      }
      if (round % 2 === 0) await Promise.all([appended, ...cuts]);
      const known = log.lastIndex();
      const begun = log.firstIndex();
      const killed = rig.kill();
      await Promise.allSettled([appended, ...cuts, killed]);
      log = await rig.openLog();
      expect(log.lastIndex()).toBeGreaterThanOrEqual(known);
      expect(log.firstIndex()).toBeGreaterThanOrEqual(begun);
      const entries = allEntries(log);
      expect(entries.map(({ index }) => index)).toEqual(entries.map((_, at) => log.firstIndex() + at));
      next = log.lastIndex() + 1;
    }
  });

  it("E8: a segment that is missing behind the begin is damage, one before it is not", async () => {
    const log = await rig.openLog();
    await append(log, 1, 3000);
    await rig.kill();
    const [oldest, ...others] = await segmentsOf(logPath());
    await (await rig.openLog()).cut(1000);
    await rig.settle();
    await rig.close();
    const [first, second] = await segmentsOf(logPath());
    expect(first).not.toBe(oldest);
    expect((await rig.openLog()).firstIndex()).toBe(1001);
    await rig.close();
    expect(others).toContain(second);
    for (const lost of [first, second] as string[]) {
      await cp(lost, `${lost}.away`);
      await rm(lost);
      await expect(rig.openLog()).rejects.toMatchObject({ dataLoss: true });
      await cp(`${lost}.away`, lost);
    }
    expect((await rig.openLog()).firstIndex()).toBe(1001);
  });

  it("E8: a damaged append before the record of a cut is found", async () => {
    const log = await rig.openLog();
    await append(log, 1, 20);
    await log.cut(15);
    await rig.settle();
    await rig.kill();
    await flipBit((await segmentsOf(logPath()))[0] as string, 0.5);
    await expect(rig.openLog()).rejects.toMatchObject({ dataLoss: true });
  });
});
