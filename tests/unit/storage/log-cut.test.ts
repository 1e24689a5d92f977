import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Entry } from "@quorate/services/raft";
import type { LogStore } from "@quorate/services/replica";
import { diskBytes } from "@quorate/services/storage";
import { findBatchClass, LevelRig } from "../../compliance/level-rig";
import { allEntries, entry } from "../../compliance/log-store";
import { isLongRun } from "../../support/long-run";
import { editDatabase, filesOf, flipBit } from "./damaged-files";

const SYNC = { sync: true };
const VALUE = "v".repeat(1000);

beforeAll(findBatchClass);

describe("cutting the log, in LevelDB", () => {
  let rig: LevelRig;

  beforeEach(async () => {
    rig = await LevelRig.create();
  });

  afterEach(() => rig.dispose());

  const logPath = () => join(rig.path, "log");

  async function append(log: LogStore, from: number, to: number): Promise<void> {
    for (let first = from; first <= to; first += 100) {
      const entries: Entry[] = [];
      for (let index = first; index <= Math.min(to, first + 99); index += 1) {
        // Bytes that do not compress: what is measured is what was written.
        const noise = Array.from(
          { length: 40 },
          (_, at) => Math.imul(index * 41 + at, 0x9e3779b1) >>> 0,
        ).join("");
        entries.push(entry(index, 1, `${noise}${VALUE}`));
      }
      await log.append({ entries, hardState: null }, SYNC);
    }
  }

  async function storedEntries(): Promise<number> {
    let count = 0;
    await editDatabase(logPath(), async (database) => {
      for await (const [key] of database.iterator()) if (key.length === 13) count += 1;
    });
    return count;
  }

  it("F1: the space of what was given up comes back", async () => {
    const log = await rig.openLog();
    await append(log, 1, 12_000);
    const before = await diskBytes(logPath());
    expect(before).toBeGreaterThan(5_000_000);
    await log.cut(11_900);
    await rig.settle();
    expect(await diskBytes(logPath())).toBeLessThan(before / 10);
    expect(log.bytes).toBeLessThan(200_000);
    await append(log, 12_001, 12_050);
    await rig.kill();
    const reopened = await rig.openLog();
    expect([reopened.firstIndex(), reopened.lastIndex()]).toEqual([11_901, 12_050]);
    await rig.kill();
    expect(await storedEntries()).toBe(150);
  });

  it("F1: so does that of a log that is reset", async () => {
    const log = await rig.openLog();
    await append(log, 1, 8_000);
    const before = await diskBytes(logPath());
    await log.reset({ term: 2, index: 50_000 });
    await rig.settle();
    expect(await diskBytes(logPath())).toBeLessThan(before / 10);
  });

  it("E6: a crash while entries are removed leaves a log that begins where it was cut, and the rest goes", async () => {
    const log = await rig.openLog();
    await append(log, 1, 5000);
    // The begin has moved, and next to nothing is removed yet.
    await log.cut(4000).then(() => (log as unknown as { removal: { stop(): void } }).removal.stop());
    await rig.kill();
    expect(await storedEntries()).toBeGreaterThan(1000);
    const reopened = await rig.openLog();
    expect([reopened.firstIndex(), reopened.lastIndex()]).toEqual([4001, 5000]);
    expect(allEntries(reopened)).toHaveLength(1000);
    await rig.settle();
    await rig.kill();
    expect(await storedEntries()).toBe(1000);
    expect((await rig.openLog()).firstIndex()).toBe(4001);
  });

  it.each([0.9, 0.99])("E6: it holds together wherever a crash stops it under load (%d)", async (share) => {
    let log = await rig.openLog();
    let next = 1;
    for (let round = 0; round < (isLongRun ? 8 : 4); round += 1) {
      const appended = append(log, next, next + 699);
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

  it("E8: an entry that is missing behind the begin is damage, one before it is not", async () => {
    const log = await rig.openLog();
    await append(log, 1, 300);
    await log.cut(200);
    await rig.settle();
    await rig.kill();
    const key = (index: number) => Buffer.from(`0000000103${index.toString(16).padStart(16, "0")}`, "hex");
    await editDatabase(logPath(), (database) => database.put(key(150), Buffer.from("anything")));
    expect((await rig.openLog()).firstIndex()).toBe(201);
    await rig.settle();
    await rig.kill();
    await editDatabase(logPath(), (database) => database.del(key(201)));
    await expect(rig.openLog()).rejects.toMatchObject({ dataLoss: true });
  });

  it("E8: a damaged append before the record of a cut is found", async () => {
    const log = await rig.openLog();
    await append(log, 1, 20);
    await log.cut(15);
    await rig.settle();
    await rig.kill();
    const [file] = await filesOf(logPath(), ".log");
    await flipBit(file as string, 0.5);
    await expect(rig.openLog()).rejects.toMatchObject({ dataLoss: true });
  });
});
