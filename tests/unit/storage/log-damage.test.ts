import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { LevelRig } from "../../compliance/level-rig";
import { entry, ids } from "../../compliance/log-store";
import { batch, put } from "../../compliance/state-samples";
import { isLongRun } from "../../support/long-run";
import { cutTail, editDatabase, flipBit, largestFile } from "./damaged-files";

const SYNC = { sync: true };

/** Where a bit flips in the last block, of twentieths. */
const PLACES = Array.from({ length: 19 }, (_, at) => at + 1).filter((at) => isLongRun || at % 4 === 1);

describe("damage to the log", () => {
  let rig: LevelRig;
  /** Directories by the number of their entries: what most tests damage, written once. */
  let originals = "";
  const written = new Set<number>();

  beforeAll(async () => {
    originals = await mkdtemp(join(tmpdir(), "quorate-log-damage-"));
  });

  afterAll(() => rm(originals, { recursive: true }));

  beforeEach(async () => {
    rig = await LevelRig.create();
  });

  afterEach(() => rig.dispose());

  function logPath(): string {
    return join(rig.path, "log");
  }

  /** Entries 1 to `count`, an append each, then a kill. */
  async function writeAndKill(count: number): Promise<void> {
    const original = join(originals, String(count));
    if (!written.has(count)) {
      await write(count);
      await cp(rig.path, original, { recursive: true });
      written.add(count);
      return;
    }
    await rm(rig.path, { recursive: true });
    await cp(original, rig.path, { recursive: true });
  }

  async function write(count: number): Promise<void> {
    const log = await rig.openLog();
    for (let index = 1; index <= count; index += 1) {
      const hardState = { term: 1, vote: null, commit: index - 1 };
      await log.append({ entries: [entry(index, 1, `entry ${index} ${"x".repeat(100)}`)], hardState }, SYNC);
    }
    await rig.kill();
  }

  function entryKey(index: number): Buffer {
    return Buffer.from(`0000000103${index.toString(16).padStart(16, "0")}`, "hex");
  }

  it.each([1, 60, 130])(
    "E8: a tail torn by %s bytes is cut: its append is gone whole, all before it is there",
    async (count) => {
      await writeAndKill(10);
      await cutTail(await largestFile(logPath(), ".log"), count);
      const log = await rig.openLog();
      expect(log.lastIndex()).toBe(9);
      expect(log.hardState).toEqual({ term: 1, vote: null, commit: 8 });
      await log.append({ entries: [entry(10, 2)], hardState: null }, SYNC);
      await rig.kill();
      expect(ids(await rig.openLog())).toMatch(/1\/9 2\/10$/);
    },
  );

  it.each([0.05, 0.3, 0.6, 0.9])(
    "E8: a flipped bit in LevelDB's log, at %s of it, with entries following, is refused",
    async (share) => {
      await writeAndKill(600);
      await flipBit(await largestFile(logPath(), ".log"), share);
      await expect(rig.openLog()).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
    },
  );

  it.each(PLACES.map((at) => at / 20))(
    "E8: a flipped bit in the last block of LevelDB's log, at %s of it, is refused, though LevelDB takes it for a torn tail",
    async (share) => {
      await writeAndKill(100);
      await flipBit(await largestFile(logPath(), ".log"), share);
      await expect(rig.openLog()).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
    },
  );

  it.each([0, 0.2, 0.5, 0.8, 0.98, 0.999])(
    "E8: a flipped bit in a table, at %s of it, is refused",
    async (share) => {
      await writeAndKill(300);
      await rig.openLog();
      await rig.close();
      await flipBit(await largestFile(logPath(), ".ldb"), share);
      await expect(rig.openLog()).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
    },
  );

  it("E8: a missing entry in the middle is refused, and named", async () => {
    await writeAndKill(10);
    await editDatabase(logPath(), (database) => database.del(entryKey(4)));
    await expect(rig.openLog()).rejects.toMatchObject({
      dataLoss: true,
      message: expect.stringMatching(/entry 4 is missing, yet entry 5 is there.*start this member anew/),
    });
  });

  it("E8: an entry in another's place is refused", async () => {
    await writeAndKill(10);
    await editDatabase(logPath(), async (database) => {
      await database.put(entryKey(4), (await database.get(entryKey(5))) as Buffer);
    });
    await expect(rig.openLog()).rejects.toMatchObject({
      dataLoss: true,
      message: expect.stringContaining("the checksum of entry 4 does not match"),
    });
  });

  it("E8: a last entry that is gone though its append was durable is refused", async () => {
    await writeAndKill(10);
    await editDatabase(logPath(), (database) => database.del(entryKey(10)));
    await expect(rig.openLog()).rejects.toMatchObject({
      dataLoss: true,
      message: expect.stringContaining("it ends at entry 9, yet the last append ended at entry 10"),
    });
  });

  it("E8: an old entry that came back in place of what replaced it is refused", async () => {
    await writeAndKill(5);
    let old: Buffer | undefined;
    await editDatabase(logPath(), async (database) => {
      old = await database.get(entryKey(3));
    });
    const log = await rig.openLog();
    await log.append({ entries: [entry(3, 1, "new"), entry(4, 1), entry(5, 1)], hardState: null }, SYNC);
    await rig.close();
    await editDatabase(logPath(), (database) => database.put(entryKey(3), old as Buffer));
    await expect(rig.openLog()).rejects.toMatchObject({
      dataLoss: true,
      message: expect.stringContaining("entry 4 does not follow on entry 3 as it is stored"),
    });
  });

  it("E8: a lost record of term and vote is refused", async () => {
    await writeAndKill(2);
    await editDatabase(logPath(), (database) => database.del(Buffer.from("0000000102", "hex")));
    await expect(rig.openLog()).rejects.toMatchObject({ dataLoss: true });
  });

  it.each(["CURRENT", "MANIFEST"])(
    "E8: a missing %s is refused and not replaced by an empty log",
    async (name) => {
      await writeAndKill(3);
      await editDatabase(logPath(), async () => {});
      const found = (await readdir(logPath())).find((file) => file.startsWith(name)) as string;
      await rm(join(logPath(), found));
      await expect(rig.openLog()).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
      await expect(rig.openLog()).rejects.toMatchObject({
        message: expect.stringContaining("start this member anew"),
      });
    },
  );

  it("E8: a log that lost what the state has applied is refused", async () => {
    const { log, state } = await rig.openStores();
    for (let index = 1; index <= 5; index += 1) {
      await log.append({ entries: [entry(index, 1)], hardState: null }, SYNC);
      await state.write(batch(index, [put("k", `${index}`, index)]));
    }
    await rig.kill();
    await cutTail(await largestFile(logPath(), ".log"), 1);
    await expect(rig.openStores()).rejects.toMatchObject({
      dataLoss: true,
      message: expect.stringContaining("it ends at entry 4, yet the state holds what entry 5 did"),
    });
  });

  it("E8: an entry that went bad after opening ends the handle when it is read", async () => {
    await rig.dispose();
    rig = await LevelRig.create({ logTailBytesMax: 0 });
    const log = await rig.openLog();
    await log.append({ entries: [entry(1, 1), entry(2, 1)], hardState: null }, SYNC);
    const { database } = (log as unknown as { handle: { database: { del(key: Buffer): Promise<void> } } })
      .handle;
    await database.del(entryKey(1));
    expect(() => log.entries({ from: 1, toExclusive: 2, bytesMax: 1 })).toThrow("is damaged: entry 1");
    await expect(log.append({ entries: [entry(3, 1)], hardState: null }, SYNC)).rejects.toMatchObject({
      dataLoss: true,
    });
  });

  it("a synced append writes unsynced ones before it once more, for a sync may not reach back to them", async () => {
    const log = await rig.openLog();
    await log.append({ entries: [entry(1, 1), entry(2, 1), entry(3, 1)], hardState: null }, SYNC);
    await log.append({ entries: [entry(2, 2)], hardState: null }, { sync: false });
    await log.append({ entries: [entry(3, 2)], hardState: null }, { sync: false });
    await log.append({ entries: [entry(4, 2)], hardState: null }, SYNC);
    expect(ids(log)).toBe("1/1 2/2 2/3 2/4");
    await rig.kill();
    expect(ids(await rig.openLog())).toBe("1/1 2/2 2/3 2/4");
  });
});
