import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Change } from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import { LevelRig } from "../../compliance/level-rig";
import {
  batch,
  bytes,
  GENERATION,
  get,
  history,
  meta,
  NAMESPACE_ID,
  pairs,
  put,
  record,
  remove,
  scanned,
} from "../../compliance/state-samples";
import { corruptStoredRecords } from "../../support/corrupt-record";
import { editDatabase } from "./damaged-files";

const space = { namespaceId: NAMESPACE_ID, generation: GENERATION };
const NEWEST_KIND = 0x10;
const VALUE_KIND = 0x11;
const REVISION_KIND = 0x01;
const DAMAGED = { name: "StoreFailure", dataLoss: true };
const LONG = "x".repeat(5000);

/** What a fault that no checksum shows does to rows, and what is left of it when the key was put right, or changed. */
describe("a replica that a fault took rows from", () => {
  let rig: LevelRig;
  let state: StateStore;
  let sound: LevelRig;

  beforeEach(async () => {
    rig = await LevelRig.create();
    sound = await LevelRig.create();
    state = await rig.openState();
  });

  afterEach(async () => {
    await rig.dispose();
    await sound.dispose();
  });

  async function closed(): Promise<string> {
    await rig.close();
    return rig.path;
  }

  /** Changes what lies in the database while nobody has it open. */
  async function edit(run: Parameters<typeof editDatabase>[1]): Promise<void> {
    await editDatabase(join(await closed(), "state-1"), run);
    state = await rig.openState();
  }

  async function rowOf(key: string): Promise<Buffer> {
    let row: Buffer = Buffer.alloc(0);
    await edit(async (database) => {
      row = (await database.get(newestKey(key))) as Buffer;
    });
    return row;
  }

  /** Writes changes of which the last one of a key never comes to its row. */
  async function writeLosing(key: string, index: number, changes: readonly Change[]): Promise<void> {
    const before = await rowOf(key);
    await state.write(batch(index, changes));
    await edit((database) => database.put(newestKey(key), before));
  }

  async function counts(): Promise<readonly number[]> {
    const found: number[] = [];
    await edit(async (database) => {
      for (const kind of [NEWEST_KIND, VALUE_KIND, REVISION_KIND]) {
        found.push((await database.keys({ gte: Buffer.of(kind), lt: Buffer.of(kind + 1) }).all()).length);
      }
    });
    return found;
  }

  it.each([
    ["short", "old"],
    ["long", LONG],
  ])(
    "reads and tells what one does that lost nothing, when a lost deletion was put right, of %s values",
    async (_of, value) => {
      const first = [put("k", "1", 1), put("other", "1", 2), put("k", value, 3), put("other", "2", 4)];
      const second = [put("other", "3", 5), remove("k", 6), put("other", "4", 7)];
      const third = [put("k", "again", 8), remove("other", 9)];
      const other = await sound.openState();
      for (const [at, changes] of [first, second].entries()) await other.write(batch(at + 1, changes));
      await state.write(batch(1, first));
      await writeLosing("k", 2, second);
      expect(await get(state, "k")).toBe(value);
      await state.repair([{ ...space, key: bytes("k"), record: null }]);

      for (const [to, changes] of [
        [7, []],
        [9, third],
      ] as const) {
        if (changes.length > 0) for (const each of [state, other]) await each.write(batch(3, changes));
        for (let revision = 0; revision <= to; revision += 1) {
          expect(await scanned(state, { revision })).toEqual(await scanned(other, { revision }));
          expect(await get(state, "k", revision)).toBe(await get(other, "k", revision));
          const from = revision + 1;
          expect(await history(state, { from, to })).toEqual(await history(other, { from, to }));
          expect(await history(state, { from: 1, to: from })).toEqual(
            await history(other, { from: 1, to: from }),
          );
        }
      }
      expect(await get(state, "k", 5)).toBe(value);
    },
  );

  /** Changes that fill many rows of the history. */
  async function writeMuch(batches: { readonly from: number; readonly count: number }, revision: number) {
    for (let nth = 0; nth < batches.count; nth += 1) {
      const first = revision + nth * 64;
      const changes = Array.from({ length: 64 }, (_, at) => put("other", "much", first + at));
      await state.write(batch(batches.from + nth, changes));
    }
  }

  it("finds deletions that were lost of several keys, behind all that was written since", async () => {
    await state.write(batch(1, [put("k", "old", 1)]));
    await writeLosing("k", 2, [put("k", "mid", 2), remove("k", 3)]);
    await writeMuch({ from: 3, count: 20 }, 4);
    await state.write(batch(23, [put("l", "new", 2000)]));
    await writeLosing("l", 24, [remove("l", 2001)]);
    await writeMuch({ from: 25, count: 20 }, 2002);
    await state.repair(["k", "l"].map((key) => ({ ...space, key: bytes(key), record: null })));
    const at = (key: string, revisions: readonly number[]) =>
      Promise.all(revisions.map((revision) => get(state, key, revision)));
    expect(await at("k", [1, 2, 3, 3000])).toEqual(["old", "mid", null, null]);
    expect(await at("l", [1999, 2000, 2001, 3000])).toEqual([null, "new", null, null]);
  });

  it("keeps nothing of a deletion that was lost and put right when it is given up", async () => {
    await state.write(batch(1, [put("k", LONG, 1), put("other", "1", 2)]));
    await writeLosing("k", 2, [remove("k", 3), put("other", "2", 4)]);
    await state.repair([{ ...space, key: bytes("k"), record: null }]);
    await state.write(batch(3, [], { meta: meta(4, { compactedRevision: 4 }) }));
    await rig.settle();
    expect(await pairs(state)).toEqual(["other=2"]);
    // The row of the first batch waits until its space is worth returning.
    expect(await counts()).toEqual([1, 0, 1]);
  });

  it("reads nothing of a key that never was to be there, from the revision on that it had", async () => {
    await state.write(batch(1, [put("k", "1", 1)]));
    await corruptStoredRecords(await closed(), [{ ...space, key: bytes("extra"), value: bytes("wrong") }]);
    state = await rig.openState();
    expect(await pairs(state)).toEqual(["extra=wrong", "k=1"]);
    await state.repair([{ ...space, key: bytes("extra"), record: null }]);
    expect(await pairs(state)).toEqual(["k=1"]);
    expect(await pairs(state, { revision: 1 })).toEqual(["k=1"]);
    expect(await history(state)).toEqual([put("k", "1", 1)]);
  });

  it("goes on where a row was lost and its key put again, and ends when it is to tell what was in it", async () => {
    await state.write(batch(1, [put("k", "1", 1), put("other", "1", 2)]));
    await edit((database) => database.del(newestKey("k")));
    await state.write(batch(2, [put("k", "3", 3), put("other", "4", 4)]));
    for (const round of ["written", "reopened"]) {
      if (round === "reopened") await edit(async () => {});
      expect(await pairs(state)).toEqual(["k=3", "other=4"]);
      expect(await pairs(state, { revision: 2 })).toEqual(["other=1"]);
      expect(await history(state, { from: 2 })).toHaveLength(3);
    }
    await expect(history(state)).rejects.toMatchObject(DAMAGED);
    await expect(get(state, "other")).rejects.toMatchObject(DAMAGED);
  });

  it("has a long value again when its row and the key's were both lost and the key was put right", async () => {
    const changes = [put("k", "1", 1), put("k", LONG, 2), put("other", "1", 3)];
    await state.write(batch(1, changes));
    await edit(async (database) => {
      await database.del(newestKey("k"));
      await database.clear({ gte: Buffer.of(VALUE_KIND), lt: Buffer.of(VALUE_KIND + 1) });
    });
    await state.repair([{ ...space, key: bytes("k"), record: record("k", LONG, 2) }]);
    for (const round of ["put right", "reopened"]) {
      if (round === "reopened") await edit(async () => {});
      expect(await get(state, "k")).toBe(LONG);
      expect(await get(state, "k", 1)).toBe("1");
      expect(await history(state)).toEqual(changes);
    }
  });

  it("has a long value again that alone was lost when the key is put right before anybody read it", async () => {
    const changes = [put("k", LONG, 1), put("other", "1", 2)];
    await state.write(batch(1, changes));
    await edit((database) => database.clear({ gte: Buffer.of(VALUE_KIND), lt: Buffer.of(VALUE_KIND + 1) }));
    await state.repair([{ ...space, key: bytes("k"), record: record("k", LONG, 1) }]);
    expect(await get(state, "k")).toBe(LONG);
    expect(await history(state)).toEqual(changes);
  });

  it("ends when a long value that was lost is to be read at an older revision, though the key was put right since", async () => {
    await state.write(batch(1, [put("k", LONG, 1)]));
    await state.write(batch(2, [put("k", "2", 2)]));
    await edit((database) => database.clear({ gte: Buffer.of(VALUE_KIND), lt: Buffer.of(VALUE_KIND + 1) }));
    await state.repair([{ ...space, key: bytes("k"), record: record("k", "right", 2) }]);
    expect(await get(state, "k")).toBe("right");
    await expect(get(state, "k", 1)).rejects.toMatchObject(DAMAGED);
  });
});

function newestKey(key: string): Buffer {
  const head = Buffer.alloc(9);
  head.writeUInt8(NEWEST_KIND, 0);
  head.writeUInt32BE(NAMESPACE_ID, 1);
  head.writeUInt32BE(GENERATION, 5);
  return Buffer.concat([head, Buffer.from(key)]);
}
