import { stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { StoredRecord } from "@quorate/services/kv";
import { type StateStore, StoreFailure } from "@quorate/services/replica";
import { findBatchClass, LevelRig } from "../../compliance/level-rig";
import {
  batch,
  bytes,
  GENERATION,
  get,
  history,
  NAMESPACE_ID,
  pairs,
  put,
  record,
  remove,
  scan,
  text,
} from "../../compliance/state-samples";
import { eventually } from "../../support";
import { largestFile, loseUnsynced } from "./damaged-files";

const space = { namespaceId: NAMESPACE_ID, generation: GENERATION };
/** Nothing is given to LevelDB by itself. */
const FOR_EVER = { gatheredBytes: 2 ** 30, gatheredMs: 2 ** 30 };

beforeAll(findBatchClass);

describe.each([
  ["with a cache", {}],
  ["without a cache", { recordCacheBytesMax: 0 }],
])("what LevelDB does not have yet, %s", (_, options) => {
  let rig: LevelRig;
  let state: StateStore;

  beforeEach(async () => {
    rig = await LevelRig.create({ ...FOR_EVER, ...options });
    state = await rig.openState();
    await state.write(batch(1, [put("a", "old", 1), put("b", "old", 2), put("c", "old", 3)]));
    await state.checkpoint();
    await state.write(batch(2, [put("a", "1", 4), remove("b", 5)]));
    await state.write(batch(3, [put("a", "2", 6), put("d", "new", 7)]));
  });

  afterEach(() => rig.dispose());

  /** @returns the entry that a killed process had applied to what it leaves behind */
  async function appliedAfterCrash(): Promise<number> {
    await rig.crash();
    state = await rig.openState();
    return state.opened.applied.index;
  }

  it("is what commands read by key, without LevelDB being given it", async () => {
    const read = { ...space, withValue: true };
    const view = await state.read({
      keys: ["a", "b", "c", "d", "e"].map((key) => ({ ...read, key: bytes(key) })),
      ranges: [],
    });
    const found = (key: string) => view.get(NAMESPACE_ID, GENERATION, bytes(key));
    expect(found("a")).toEqual(record("a", "2", 6));
    expect(found("b")).toBe(null);
    expect(found("c")).toEqual(record("c", "old", 3));
    expect(found("d")).toEqual(record("d", "new", 7));
    expect(found("e")).toBe(null);
    const bare = await state.read({ keys: [{ ...space, key: bytes("d"), withValue: false }], ranges: [] });
    expect(bare.get(NAMESPACE_ID, GENERATION, bytes("d"))).toEqual({
      ...record("d", "new", 7),
      value: bytes(""),
    });
    expect(await appliedAfterCrash()).toBe(1);
  });

  it("is what clients read by key at the newest revision, and at each before it", async () => {
    expect(await get(state, "a")).toBe("2");
    expect(await get(state, "b")).toBe(null);
    expect(await get(state, "a", 5)).toBe("1");
    expect(await get(state, "b", 4)).toBe("old");
    expect(await get(state, "a", 3)).toBe("old");
    expect(await get(state, "d", 6)).toBe(null);
    // What was read of the past is not taken for the present.
    expect(await get(state, "a")).toBe("2");
    expect(await get(state, "b")).toBe(null);
  });

  it("is not needed to read what was before it", async () => {
    expect(await get(state, "a", 3)).toBe("old");
    expect(await pairs(state, { revision: 3 })).toEqual(["a=old", "b=old", "c=old"]);
    expect(await history(state, { to: 3 })).toHaveLength(3);
    expect(await appliedAfterCrash()).toBe(1);
  });

  it("is in scans, as of the write before their first chunk was asked for", async () => {
    const chunks = scan(state)[Symbol.asyncIterator]();
    const first = chunks.next();
    await state.write(batch(4, [put("a", "3", 8), put("z", "late", 9)]));
    const found = ((await first).value ?? []) as readonly StoredRecord[];
    expect(found.map(({ key, value }) => `${text(key)}=${text(value)}`)).toEqual(["a=2", "c=old", "d=new"]);
    await chunks.return?.();
    expect(await pairs(state)).toEqual(["a=3", "c=old", "d=new", "z=late"]);
  });

  it("is in the ranges that commands read", async () => {
    const range = {
      ...space,
      start: bytes("a"),
      end: null,
      limit: 10,
      keyBytesMax: 10_000,
      valueBytesMax: 10_000,
      withValues: true,
    };
    const view = await state.read({ keys: [], ranges: [range] });
    expect(view.range(0).map(({ key, value }) => `${text(key)}=${text(value)}`)).toEqual([
      "a=2",
      "c=old",
      "d=new",
    ]);
  });

  it("is told by history", async () => {
    const told = await history(state, {});
    expect(told.map(({ revision }) => revision)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it("is in frozen states as of when they were made, though LevelDB has it later", async () => {
    const before = state.freeze();
    await state.write(batch(4, [put("a", "3", 8)]));
    const after = state.freeze();
    expect([before.header.applied.index, before.header.revision]).toEqual([3, 7]);
    expect([after.header.applied.index, after.header.revision]).toEqual([4, 8]);
    const values = async (frozen: typeof before): Promise<readonly string[]> => {
      const found: string[] = [];
      const range = { ...space, start: bytes(""), end: null, reverse: false, keysOnly: false };
      for await (const chunk of frozen.scan(range)) found.push(...chunk.map(({ value }) => text(value)));
      return found;
    };
    expect(await values(before)).toEqual(["2", "old", "new"]);
    expect(await values(after)).toEqual(["3", "old", "new"]);
    before.close();
    after.close();
  });

  it("is put right by repairs", async () => {
    await state.repair([
      { ...space, key: bytes("a"), record: record("a", "right", 6) },
      { ...space, key: bytes("d"), record: null },
    ]);
    expect(await pairs(state)).toEqual(["a=right", "c=old"]);
    expect([await get(state, "a"), await get(state, "d")]).toEqual(["right", null]);
  });

  it("is lost in a crash, from the first write on, and written again from the log", async () => {
    expect(await appliedAfterCrash()).toBe(1);
    expect(await pairs(state)).toEqual(["a=old", "b=old", "c=old"]);
    await state.write(batch(2, [put("a", "1", 4), remove("b", 5)]));
    expect(await pairs(state)).toEqual(["a=1", "c=old"]);
  });

  it("is durable after a checkpoint", async () => {
    await state.checkpoint();
    expect(state.checkpointIndex).toBe(3);
    await rig.crash();
    await loseUnsynced(join(rig.path, "state-1"));
    expect(await pairs(await rig.openState())).toEqual(["a=2", "c=old", "d=new"]);
  });

  it("is written when the store is closed, and no timer is left", async () => {
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const before = timers();
    await state.close();
    expect(timers()).toBe(before - 1);
    state = await rig.openState();
    expect(state.opened.applied.index).toBe(3);
    expect(await pairs(state)).toEqual(["a=2", "c=old", "d=new"]);
  });

  it("ends the store where it cannot be written, also for what was answered from memory", async () => {
    rig.failNextWrite();
    const failure = await state.checkpoint().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StoreFailure);
    await expect(state.write(batch(4, [put("a", "3", 8)]))).rejects.toBe(failure);
    await expect(get(state, "a")).rejects.toBe(failure);
    await expect(
      state.read({ keys: [{ ...space, key: bytes("a"), withValue: true }], ranges: [] }),
    ).rejects.toBe(failure);
    await expect(pairs(state)).rejects.toBe(failure);
    expect(() => state.freeze()).toThrow(StoreFailure);
    expect(await appliedAfterCrash()).toBe(1);
  });
});

describe("what is gathered for LevelDB", () => {
  let rig: LevelRig;

  afterEach(() => rig.dispose());

  it("is given to it after a while", async () => {
    rig = await LevelRig.create({ ...FOR_EVER, gatheredMs: 1 });
    const state = await rig.openState();
    await state.write(batch(1, [put("a", "1", 1)]));
    const log = await largestFile(join(rig.path, "state-1"), ".log");
    await eventually("LevelDB has it", async () => (await stat(log)).size > 0);
    await rig.crash();
    expect((await rig.openState()).opened.applied.index).toBe(1);
  });

  it("is bounded: who writes more waits until LevelDB has taken some", async () => {
    rig = await LevelRig.create({ ...FOR_EVER, gatheredBytes: 10_000 });
    const state = await rig.openState();
    const release = rig.holdWrites();
    let written = 0;
    const value = "v".repeat(1000);
    const all = (async () => {
      while (written < 200) {
        await state.write(batch(written + 1, [put(`k${written}`, value, written + 1)]));
        written += 1;
      }
    })();
    let before = 0;
    do {
      before = written;
      await new Promise(setImmediate);
    } while (written > before);
    release();
    await all;
    // Four times what is gathered, where a put is a row or two with its value.
    expect(before).toBeGreaterThan(10);
    expect(before).toBeLessThan(60);
    expect(await pairs(state)).toHaveLength(200);
  });
});
