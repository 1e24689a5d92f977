import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { StateStore } from "@quorate/services/replica";
import { DEFAULT_STORE_OPTIONS, openStateStore } from "@quorate/services/storage";
import { FOUNDING, LevelRig } from "../../compliance/level-rig";
import { batch, get, namespace, pairs, put, remove, scanned, truncate } from "../../compliance/state-samples";
import { cutTail, editDatabase, filesOf, flipBit, largestFile, loseUnsynced } from "./damaged-files";

describe("crashes of and damage to the state", () => {
  let rig: LevelRig;

  beforeEach(async () => {
    rig = await LevelRig.create({ checkpointBatches: 1000, gatheredBytes: 0 });
  });

  afterEach(() => rig.dispose());

  function statePath(name = "state-1"): string {
    return join(rig.path, name);
  }

  async function writeBatches(state: StateStore, from: number, to: number): Promise<void> {
    for (let index = from; index <= to; index += 1) {
      const revision = index * 2 - 1;
      await state.write(
        batch(index, [put(`k${index}`, `v${index}`, revision), put("last", `${index}`, revision + 1)]),
      );
    }
  }

  async function opened() {
    const limits = { ...DEFAULT_STORE_OPTIONS, cacheBytesMax: DEFAULT_STORE_OPTIONS.recordCacheBytesMax };
    const outcome = await openStateStore({ dataPath: rig.path, founding: FOUNDING }, limits);
    if (outcome.kind !== "opened") throw new Error("the state is in use");
    return outcome;
  }

  it("E6: comes back as of an earlier batch when the end of LevelDB's log was lost", async () => {
    await writeBatches(await rig.openState(), 1, 10);
    await rig.kill();
    await cutTail(await largestFile(statePath(), ".log"), 1);
    const state = await rig.openState();
    expect(state.opened.applied).toEqual({ term: 1, index: 9 });
    expect(await get(state, "last")).toBe("9");
    expect(await get(state, "k10")).toBe(null);
    await writeBatches(state, 10, 12);
    expect(await get(state, "last")).toBe("12");
  });

  it("E7: replaying after a crash leaves what was there without one, whatever was deleted or overwritten", async () => {
    const batches = [
      batch(1, [put("a", "1", 1), put("b", "1", 2)]),
      batch(2, [remove("a", 3), put("b", "2", 4), put("c", "1", 5)]),
      batch(3, [put("a", "3", 6), remove("a", 7), remove("c", 8)]),
    ];
    const uninterrupted = await rig.openState();
    for (const written of batches) await uninterrupted.write(written);
    const atEach = async (state: StateStore) => {
      const found: unknown[] = [];
      for (let revision = 0; revision <= 8; revision += 1) found.push(await scanned(state, { revision }));
      return found;
    };
    const expected = await atEach(uninterrupted);
    await rig.kill();
    await cutTail(await largestFile(statePath(), ".log"), 1);
    const state = await rig.openState();
    expect(state.opened.applied.index).toBe(2);
    await state.write(batches[2] as (typeof batches)[0]);
    expect(await atEach(state)).toEqual(expected);
  });

  it("E8: a hole in the batches is found: an empty state takes its place, to be built anew from the log", async () => {
    await writeBatches(await rig.openState(), 1, 10);
    await rig.kill();
    const lost = Buffer.from("210000000000000004", "hex");
    await editDatabase(statePath(), (database) => database.del(lost));
    const { state, rebuiltBecause } = await opened();
    expect(rebuiltBecause).toBe("batch 4 of the state was lost, yet a later one was there");
    expect(state.opened.applied).toEqual({ term: 0, index: 0 });
    expect(await pairs(state)).toEqual([]);
    await writeBatches(state, 1, 10);
    expect(await get(state, "last")).toBe("10");
    await state.close();
    const again = await opened();
    expect(again.rebuiltBecause).toBe(null);
    expect(again.state.opened.applied.index).toBe(10);
    await again.state.close();
  });

  it("E8: a hole that LevelDB left in its log is found", async () => {
    await writeBatches(await rig.openState(), 1, 400);
    await rig.kill();
    await flipBit(await largestFile(statePath(), ".log"), 0.4);
    const { state, rebuiltBecause } = await opened();
    expect(rebuiltBecause).toMatch(/^batch [0-9]+ of the state was lost/);
    expect(state.opened.applied.index).toBe(0);
    await state.close();
  });

  it("a state directory that was removed is made anew", async () => {
    await writeBatches(await rig.openState(), 1, 3);
    await rig.kill();
    await rm(statePath(), { recursive: true });
    const { state, rebuiltBecause } = await opened();
    expect(rebuiltBecause).toBe("the state directory state-1 was not there");
    expect(state.opened.applied.index).toBe(0);
    await state.close();
  });

  it("a checkpoint survives the loss of everything that was not synced", async () => {
    await rig.dispose();
    rig = await LevelRig.create({ checkpointBatches: 50, gatheredBytes: 0 });
    const state = await rig.openState();
    const written = 50;
    await writeBatches(state, 1, written);
    // Nothing is written while the checkpoint is made: a second one would soon be due, and save what is to be lost.
    await (state as unknown as { present: { writer: { settle(): Promise<void> } } }).present.writer.settle();
    const { checkpointIndex } = state;
    expect(checkpointIndex).toBe(written);
    await writeBatches(state, written + 1, written + 20);
    await rig.kill();
    await loseUnsynced(statePath());
    const after = await rig.openState();
    const { index } = after.opened.applied;
    expect(index).toBe(checkpointIndex);
    expect(await get(after, "last")).toBe(`${index}`);
    expect((await pairs(after)).length).toBe(index + 1);
    await writeBatches(after, index + 1, index + 3);
    await rig.kill();
    expect((await rig.openState()).opened.applied.index).toBe(index + 3);
  });

  it("numbers go on over many checkpoints and restarts, and covered ones are removed", async () => {
    await rig.dispose();
    rig = await LevelRig.create({ checkpointBatches: 7, gatheredBytes: 0 });
    for (let round = 0; round < 5; round += 1) {
      const state = await rig.openState();
      expect(state.opened.applied.index).toBe(round * 40);
      await writeBatches(state, round * 40 + 1, round * 40 + 40);
      await rig.kill();
    }
    let numbers = 0;
    await editDatabase(statePath(), async (database) => {
      numbers = (await database.keys({ gte: Buffer.of(2), lt: Buffer.of(3) }).all()).length;
    });
    expect(numbers).toBeLessThan(100);
    expect((await rig.openState()).opened.applied.index).toBe(200);
  });

  it.each([0, 0.3, 0.6, 0.9, 0.97, 0.999])(
    "E8: a flipped bit in a table, at %s of it, is found on opening",
    async (share) => {
      await writeBatches(await rig.openState(), 1, 200);
      await rig.kill();
      await rig.openState();
      await rig.close();
      await flipBit(await largestFile(statePath(), ".ldb"), share);
      await expect(rig.openState()).rejects.toMatchObject({
        dataLoss: true,
        message: expect.stringMatching(
          /: when the node starts, it is made anew from the log or from another member$/,
        ),
      });
    },
  );

  it("E8: a value that went bad after opening is never served, and ends the handle", async () => {
    await rig.dispose();
    rig = await LevelRig.create({ recordCacheBytesMax: 0, gatheredBytes: 0 });
    const state = await rig.openState();
    await writeBatches(state, 1, 3);
    const { database } = (state as unknown as { present: { handle: { database: RawStore } } }).present.handle;
    const [[key, value]] = await database
      .iterator({ gte: Buffer.of(0x10), lt: Buffer.of(0x11), limit: 1 })
      .all();
    const flipped = Buffer.from(value);
    flipped[flipped.length - 6] = (flipped[flipped.length - 6] as number) ^ 1;
    await database.put(key, flipped);
    await expect(get(state, "k1")).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
    await expect(get(state, "k2")).rejects.toMatchObject({ dataLoss: true });
    await expect(scanned(state)).rejects.toMatchObject({ dataLoss: true });
    await expect(state.write(batch(4, []))).rejects.toMatchObject({ dataLoss: true });
  });

  it("E8: a missing CURRENT is refused and not replaced by an empty state", async () => {
    await writeBatches(await rig.openState(), 1, 3);
    await rig.kill();
    await rm(join(statePath(), "CURRENT"));
    await expect(rig.openState()).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
  });

  it("E8: a file that names no state is refused", async () => {
    await writeFile(join(rig.path, "state.current"), "elsewhere\n");
    await expect(rig.openState()).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
    await rm(join(rig.path, "state.current"));
    await expect(rig.openState()).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
  });

  it("a new state that a crash left beside the present one is removed", async () => {
    await writeBatches(await rig.openState(), 1, 2);
    await rig.kill();
    await editDatabase(statePath(), async () => {});
    await cp(statePath(), statePath("state-7"), { recursive: true });
    await writeBatches(await rig.openState(), 3, 3);
    expect((await readdir(rig.path)).sort()).toEqual(["identity.json", "log", "state-1", "state.current"]);
    expect(await readFile(join(rig.path, "state.current"), "utf8")).toBe("state-1\n");
  });

  it("what was truncated is removed in the background, and after a restart in the middle of it", async () => {
    const names = Array.from({ length: 5000 }, (_, at) => `k${at}`);
    const state = await rig.openState();
    await state.write(
      batch(
        1,
        names.map((key, at) => put(key, "v", at + 1)),
      ),
    );
    await state.write(batch(2, [truncate(5001)], { namespaces: [namespace({ generation: 2 })] }));
    await rig.kill();
    const reopened = await rig.openState();
    await reopened.write(batch(3, [put("new", "1", 5002, 0, 2)]));
    await rig.settle();
    expect(await pairs(reopened, { generation: 2 })).toEqual(["new=1"]);
    await rig.kill();
    await editDatabase(statePath(), async (database) => {
      const keys = await database.keys({ gte: Buffer.of(0x07), lt: Buffer.of(0x12) }).all();
      expect(keys.map((key) => key.toString("hex"))).toEqual(["1000000001000000026e6577"]);
    });
    const last = await rig.openState();
    expect(last.opened.applied.index).toBe(3);
    expect((await filesOf(statePath(), ".ldb")).length).toBeGreaterThan(0);
  });
});

interface RawStore {
  put(key: Uint8Array, value: Uint8Array): Promise<void>;
  iterator(range: object): { all(): Promise<[[Uint8Array, Uint8Array]]> };
}
