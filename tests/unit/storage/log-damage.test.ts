import { appendFile, cp, mkdtemp, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { LevelRig } from "../../compliance/level-rig";
import { allEntries, entry, ids } from "../../compliance/log-store";
import { batch, put } from "../../compliance/state-samples";
import { isLongRun } from "../../support/long-run";
import { cutTail, filesOf, flipBit, lastSegment, recordsOf, segmentsOf, writtenOf } from "./damaged-files";

const SYNC = { sync: true };
const SEGMENTED_ENTRIES = 60;
const SEGMENT_BYTES_MAX = 256 * 1024;
/** The entry whose append brings a vote. */
const VOTE_AT = 5;

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Where a bit flips, of twentieths. */
const PLACES = Array.from({ length: 19 }, (_, at) => at + 1).filter((at) => isLongRun || at % 4 === 1);

/** Gives a record a length that reaches up to the end of the file. */
function lengthened(bytes: Buffer, from: number): Buffer {
  bytes.writeUInt32BE(bytes.length - from, from + 8);
  return bytes;
}

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
    rig = await LevelRig.create({ logSegmentBytesMax: SEGMENT_BYTES_MAX });
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

  /** Entries in several segments, then a kill. */
  async function writeSegmentsAndKill(): Promise<void> {
    await rig.dispose();
    rig = await LevelRig.create({ logSegmentBytesMax: 2000 });
    const log = await rig.openLog();
    for (let index = 1; index <= SEGMENTED_ENTRIES; index += 1) {
      await log.append({ entries: [entry(index, 1, "x".repeat(200))], hardState: null }, SYNC);
      // The next segment is made meanwhile, and until it is there the present one grows.
      await rig.settle();
    }
    await rig.kill();
    expect((await segmentsOf(logPath())).length).toBeGreaterThan(3);
  }

  /** Changes the one segment that there is behind the store's back. */
  async function editSegment(edit: (bytes: Buffer, records: readonly Range[]) => Buffer): Promise<void> {
    const path = await lastSegment(logPath());
    await writeFile(path, edit(await readFile(path), await recordsOf(path)));
  }

  async function write(count: number): Promise<void> {
    const log = await rig.openLog();
    for (let index = 1; index <= count; index += 1) {
      const vote = index === VOTE_AT ? "n2" : null;
      const hardState = { term: 1, vote, commit: index - 1 };
      await log.append({ entries: [entry(index, 1, `entry ${index} ${"x".repeat(100)}`)], hardState }, SYNC);
    }
    await rig.kill();
  }

  it.each([1, 60, 130])(
    "E8: a tail torn by %s bytes is cut: its append is gone whole, all before it is there",
    async (count) => {
      await writeAndKill(10);
      await cutTail(await lastSegment(logPath()), count);
      const log = await rig.openLog();
      expect(log.lastIndex()).toBe(9);
      expect(log.hardState).toEqual({ term: 1, vote: null, commit: 8 });
      await log.append({ entries: [entry(10, 2)], hardState: null }, SYNC);
      await rig.kill();
      expect(ids(await rig.openLog())).toMatch(/1\/9 2\/10$/);
    },
  );

  it("E8: what a segment was given of bytes, and nobody wrote, is no tail, and neither more of it nor less", async () => {
    for (const bytes of [0, 1, 5000, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MAX + 1]) {
      await writeAndKill(10);
      const path = await lastSegment(logPath());
      const written = await writtenOf(path);
      await truncate(path, written.length + bytes);
      expect((await rig.openLog()).lastIndex()).toBe(10);
      expect(await writtenOf(path)).toEqual(written);
      expect((await stat(path)).size).toBe(Math.max(SEGMENT_BYTES_MAX, written.length + bytes));
      await rig.close();
    }
  });

  it.each([
    ["its first bytes", (bytes: Buffer, { from }: Range) => bytes.fill(0, from, from + 40)],
    ["its salt", (bytes: Buffer, { from }: Range) => bytes.fill(0, from, from + 4)],
    ["its length", (bytes: Buffer, { from }: Range) => bytes.fill(0, from + 8, from + 12)],
    ["its midst", (bytes: Buffer, { from, to }: Range) => bytes.fill(0, from + 100, to - 10)],
    ["its last bytes", (bytes: Buffer, { from, to }: Range) => bytes.fill(0, from + 30, to)],
    ["all but its last byte", (bytes: Buffer, { from, to }: Range) => bytes.fill(0, from, to - 1)],
    ["the first bytes of a length", (bytes: Buffer, { from }: Range) => bytes.fill(0xff, from + 8, from + 9)],
    ["a length as long as the file", (bytes: Buffer, { from }: Range) => lengthened(bytes, from)],
  ])("E8: an append whose write a crash ended is cut where zeros lie behind it: %s", async (_, tear) => {
    await writeAndKill(10);
    await editSegment((bytes, records) => tear(bytes, records.at(-1) as Range));
    const log = await rig.openLog();
    expect(ids(log)).toMatch(/1\/9$/);
    // Nothing of it lies behind what comes in its place, however short that is.
    const path = await lastSegment(logPath());
    expect((await recordsOf(path)).length).toBe(10);
    expect((await writtenOf(path)).length).toBeLessThanOrEqual((await recordsOf(path)).at(-1)?.to as number);
    // What it was given to grow into it has again.
    expect((await stat(path)).size).toBe(SEGMENT_BYTES_MAX);
    await log.append({ entries: [entry(10, 2, "")], hardState: null }, SYNC);
    await rig.kill();
    expect(ids(await rig.openLog())).toMatch(/1\/9 2\/10$/);
  });

  it.each([
    ["its first bytes", (bytes: Buffer, { from }: Range) => bytes.fill(0, from, from + 40)],
    ["its length", (bytes: Buffer, { from }: Range) => bytes.fill(0, from + 8, from + 12)],
    ["a length as long as the file", (bytes: Buffer, { from }: Range) => lengthened(bytes, from)],
    ["all of it", (bytes: Buffer, { from, to }: Range) => bytes.fill(0, from, to)],
  ])(
    "E8: of an append that has another behind it, and zeros behind that, nothing may be lost: %s",
    async (_, tear) => {
      await writeAndKill(10);
      await editSegment((bytes, records) => tear(bytes, records.at(-2) as Range));
      await expect(rig.openLog()).rejects.toMatchObject({
        dataLoss: true,
        message: expect.stringMatching(/damaged at byte [0-9]+, and it goes on at byte [0-9]+/),
      });
    },
  );

  it("E8: a segment that has the next one's appends behind it, and whose last append is damaged, is refused", async () => {
    await writeSegmentsAndKill();
    const paths = await segmentsOf(logPath());
    const [before, last] = paths.slice(-2) as [string, string];
    const { to } = (await recordsOf(before)).at(-1) as Range;
    const bytes = await readFile(before);
    bytes.fill(0, to - 100);
    await writeFile(before, bytes);
    await expect(rig.openLog()).rejects.toMatchObject({ dataLoss: true });
    // Nor where a crash tore the only append of the next, before another was made.
    for (const path of await filesOf(logPath(), ".log")) if (path > last) await rm(path);
    const next = await readFile(last);
    const first = (await recordsOf(last))[0] as Range;
    await writeFile(last, next.fill(0, first.from + 50));
    await expect(rig.openLog()).rejects.toMatchObject({
      dataLoss: true,
      message: expect.stringMatching(/damaged at byte 16/),
    });
  });

  it.each([0, 5, 16, 17, 5000, SEGMENT_BYTES_MAX])(
    "E8: of the segment that was being made %s bytes are no damage, and it is made anew",
    async (count) => {
      await writeAndKill(10);
      const made = join(logPath(), "0000000002.log");
      await truncate(made, count);
      if (count > 0) await flipBit(made, 0.5);
      const damaged = await readFile(made);
      expect((await rig.openLog()).lastIndex()).toBe(10);
      expect((await writtenOf(made)).length).toBeLessThanOrEqual(16);
      expect(damaged.equals(await readFile(made))).toBe(false);
      expect((await stat(made)).size).toBe(SEGMENT_BYTES_MAX);
    },
  );

  it("E8: what lies in the next segment says that the present one was full", async () => {
    await writeAndKill(10);
    const made = join(logPath(), "0000000002.log");
    const bytes = await readFile(made);
    bytes[1000] = 1;
    await writeFile(made, bytes);
    await expect(rig.openLog()).rejects.toMatchObject({ dataLoss: true });
  });

  it.each([0, 0.05, 0.3, 0.6, 0.9])(
    "E8: a flipped bit at %s of a segment, with entries following, is refused",
    async (share) => {
      await writeAndKill(600);
      await flipBit(await lastSegment(logPath()), share);
      await expect(rig.openLog()).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
    },
  );

  it.each(PLACES.map((at) => at / 20))(
    "E8: a flipped bit among few appends, at %s of them, is refused",
    async (share) => {
      await writeAndKill(100);
      await flipBit(await lastSegment(logPath()), share);
      await expect(rig.openLog()).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
    },
  );

  it.each([0, 0.2, 0.5, 0.8, 0.98, 0.999])(
    "E8: a flipped bit at %s of a segment that is full is refused",
    async (share) => {
      await writeSegmentsAndKill();
      const [first, second] = await segmentsOf(logPath());
      const damaged = share > 0.5 ? first : second;
      await flipBit(damaged as string, share);
      await expect(rig.openLog()).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
    },
  );

  it("E8: a torn tail that was cut and that a power failure brings back behind a segment's last append is no damage", async () => {
    await writeSegmentsAndKill();
    const [first] = (await segmentsOf(logPath())) as [string];
    await appendFile(first, Buffer.alloc(100, 7));
    expect((await rig.openLog()).lastIndex()).toBe(SEGMENTED_ENTRIES);
  });

  it("E8: a log that ends with a segment that was full lacks what followed, and is refused", async () => {
    await writeSegmentsAndKill();
    const [first, ...behind] = (await filesOf(logPath(), ".log")).toSorted() as [string, ...string[]];
    for (const path of behind) await rm(path);
    expect(behind.length).toBeGreaterThan(2);
    await expect(rig.openLog()).rejects.toMatchObject({
      dataLoss: true,
      message: expect.stringContaining(`${basename(behind[0] as string)} is missing`),
    });
    expect(await filesOf(logPath(), ".log")).toEqual([first]);
  });

  it("E8: a missing segment is refused, whichever it is, and not replaced by an empty one", async () => {
    await writeSegmentsAndKill();
    for (const path of await filesOf(logPath(), ".log")) {
      const isNext = (await writtenOf(path)).length <= 16;
      if (isNext) continue;
      const away = `${path}.away`;
      await rename(path, away);
      for (const _ of ["once", "and again"]) {
        await expect(rig.openLog()).rejects.toMatchObject({
          name: "StoreFailure",
          dataLoss: true,
          message: expect.stringContaining("start this member anew"),
        });
      }
      await rename(away, path);
    }
    expect((await rig.openLog()).lastIndex()).toBe(SEGMENTED_ENTRIES);
  });

  it.each([
    ["all its segments", () => filesOf(logPath(), ".log")],
    ["its directory", async () => [logPath()]],
  ])("E8: a log that lost %s is refused and not replaced by an empty one", async (_, lost) => {
    await writeAndKill(3);
    for (const path of await lost()) await rm(path, { recursive: true });
    for (const _again of ["once", "and again"]) {
      await expect(rig.openLog()).rejects.toMatchObject({
        name: "StoreFailure",
        dataLoss: true,
        message: expect.stringContaining("start this member anew"),
      });
    }
  });

  it("E8: an append that is missing in the middle is refused, whatever it held", async () => {
    for (const lost of [1, 4, VOTE_AT]) {
      await writeAndKill(10);
      await editSegment((bytes, records) => {
        const { from, to } = records[lost] as Range;
        return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
      });
      await expect(rig.openLog()).rejects.toMatchObject({
        dataLoss: true,
        message: expect.stringMatching(/does not follow on the one before it.*start this member anew/),
      });
    }
  });

  it("E8: an append in another's place is refused", async () => {
    await writeAndKill(10);
    await editSegment((bytes, records) => {
      const [fourth, fifth] = [records[4], records[5]] as [Range, Range];
      bytes.copy(bytes, fourth.from, fifth.from, fifth.to);
      return bytes;
    });
    await expect(rig.openLog()).rejects.toMatchObject({
      dataLoss: true,
      message: expect.stringContaining("does not follow on the one before it"),
    });
  });

  it("E8: an append that was never written is refused: zeros with others behind them", async () => {
    await writeAndKill(10);
    await editSegment((bytes, records) => {
      const { from, to } = records[4] as Range;
      return bytes.fill(0, from, to);
    });
    await expect(rig.openLog()).rejects.toMatchObject({
      dataLoss: true,
      message: expect.stringMatching(/damaged at byte [0-9]+, and it goes on at byte [0-9]+/),
    });
  });

  it("E8: a segment of another log, or an older one of this, is refused in the place of one", async () => {
    await writeAndKill(10);
    const [other] = await segmentsOf(logPath());
    const foreign = await readFile(other as string);
    await writeSegmentsAndKill();
    const [first, second] = (await segmentsOf(logPath())) as [string, string];
    const own = await readFile(second);
    const older = own.subarray(0, (await recordsOf(second))[2]?.to);
    for (const [path, bytes] of [
      [first, foreign],
      [second, foreign],
      [second, older],
    ] as const) {
      const before = await readFile(path);
      await writeFile(path, bytes);
      await expect(rig.openLog()).rejects.toMatchObject({ dataLoss: true });
      await writeFile(path, before);
    }
    expect((await rig.openLog()).lastIndex()).toBe(SEGMENTED_ENTRIES);
  });

  it("E8: entries that look like a record are none", async () => {
    await writeAndKill(10);
    const path = await lastSegment(logPath());
    const image = await writtenOf(path);
    // As another member would have it, whose salt is another.
    for (const { from } of await recordsOf(path)) {
      image.writeUInt32BE((image.readUInt32BE(from) + 1) >>> 0, from);
    }
    const log = await rig.openLog();
    await log.append({ entries: [{ ...entry(11, 1), data: image }], hardState: null }, SYNC);
    await rig.kill();
    await cutTail(await lastSegment(logPath()), 1);
    expect((await rig.openLog()).lastIndex()).toBe(10);
  });

  it("E8: a log that lost what the state has applied is refused", async () => {
    const { log, state } = await rig.openStores();
    for (let index = 1; index <= 5; index += 1) {
      await log.append({ entries: [entry(index, 1)], hardState: null }, SYNC);
      await state.write(batch(index, [put("k", `${index}`, index)]));
    }
    await rig.kill();
    await cutTail(await lastSegment(logPath()), 1);
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
    await flipBit(await lastSegment(logPath()), 0.9);
    expect(() => log.entries({ from: 1, toExclusive: 2, bytesMax: 1 })).toThrow("is damaged: entry 1");
    await expect(log.append({ entries: [entry(3, 1)], hardState: null }, SYNC)).rejects.toMatchObject({
      dataLoss: true,
    });
  });

  it("what is appended without a sync comes before what is appended with one, whatever happens", async () => {
    const log = await rig.openLog();
    await log.append({ entries: [entry(1, 1), entry(2, 1), entry(3, 1)], hardState: null }, SYNC);
    await log.append({ entries: [entry(2, 2)], hardState: null }, { sync: false });
    await log.append({ entries: [entry(3, 2)], hardState: null }, { sync: false });
    await log.append({ entries: [entry(4, 2)], hardState: null }, SYNC);
    expect(ids(log)).toBe("1/1 2/2 2/3 2/4");
    await rig.kill();
    expect(ids(await rig.openLog())).toBe("1/1 2/2 2/3 2/4");
  });

  it.each(["ENOSPC", "EFBIG", "EIO"])(
    "E9: %s ends the log with its reason, and what was acknowledged is there when it is opened again",
    async (code) => {
      const log = await rig.openLog();
      await log.append({ entries: [entry(1, 1)], hardState: null }, SYNC);
      rig.failNextLogWrite(code);
      await expect(log.append({ entries: [entry(2, 1)], hardState: null }, SYNC)).rejects.toMatchObject({
        dataLoss: false,
        message: expect.stringMatching(new RegExp(`^the log in .* could not be written: ${code}`)),
      });
      await rig.close();
      expect(ids(await rig.openLog())).toBe("1/1");
    },
  );

  it("E9: a write that the system does in parts is done to its end, and one that fails in its midst leaves nothing", async () => {
    let log = await rig.openLog();
    rig.shortenNextLogWrite();
    await log.append({ entries: [entry(1, 1, "x".repeat(5000))], hardState: null }, SYNC);
    rig.shortenNextLogWrite("ENOSPC");
    await expect(
      log.append({ entries: [entry(2, 1, "y".repeat(5000))], hardState: null }, SYNC),
    ).rejects.toMatchObject({ dataLoss: false });
    await rig.close();
    log = await rig.openLog();
    expect(allEntries(log)).toEqual([entry(1, 1, "x".repeat(5000))]);
  });

  it("E9: a segment that cannot be made ends the log", async () => {
    await rig.dispose();
    rig = await LevelRig.create({ logSegmentBytesMax: 200 });
    const log = await rig.openLog();
    rig.failLogCreations();
    await log.append({ entries: [entry(1, 1, "x".repeat(300))], hardState: null }, SYNC);
    await rig.settle();
    await expect(log.append({ entries: [entry(2, 1)], hardState: null }, SYNC)).rejects.toMatchObject({
      dataLoss: false,
      message: expect.stringContaining("could not be given another segment: EMFILE"),
    });
    await rig.close();
    expect(ids(await rig.openLog())).toBe("1/1");
  });

  it("is not opened twice at a time, by this process or another", async () => {
    const log = await rig.openLog();
    await expect(rig.openLog()).rejects.toThrow("in use");
    await log.close();
    expect((await rig.openLog()).lastIndex()).toBe(0);
  });
});
