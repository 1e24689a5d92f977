import { randomBytes } from "node:crypto";
import { cp, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Change } from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import { diskBytes } from "@quorate/services/storage";
import { LevelRig } from "../../compliance/level-rig";
import {
  batch,
  bytes,
  history,
  meta,
  namespace,
  pairs,
  put,
  remove,
  truncate,
} from "../../compliance/state-samples";
import { eventually } from "../../support/eventually";
import { cutTail, editDatabase, largestFile } from "./damaged-files";

const KEYS = 40;
const ROUNDS = 20;
const CHANGES = KEYS * ROUNDS;
const COMPACTED = { compactedRevision: CHANGES };

/** Every key again and again, the odd ones deleted every other time, and at last. */
function overwrites(): readonly Change[] {
  return Array.from({ length: CHANGES }, (_, at) => {
    const key = `k${at % KEYS}`;
    const isDeletion = at % 2 === 1 && Math.floor(at / KEYS) % 2 === 1;
    return isDeletion ? remove(key, at + 1) : put(key, `v${at}`, at + 1);
  });
}

describe("what compactions give up, in LevelDB", () => {
  let rig: LevelRig;

  beforeEach(async () => {
    rig = await LevelRig.create({ checkpointBatches: 100_000, checkpointBytes: 2 ** 40, gatheredBytes: 0 });
  });

  afterEach(() => rig.dispose());

  const statePath = (): string => join(rig.path, "state-1");

  async function writeOverwrites(state: StateStore): Promise<void> {
    const changes = overwrites();
    for (let index = 1; index <= ROUNDS; index += 1) {
      await state.write(batch(index, changes.slice((index - 1) * KEYS, index * KEYS)));
    }
  }

  /** Of keys in turn, a hundred a batch. @returns the revision of the last */
  async function overwriteValues(
    state: StateStore,
    { count, valueBytes }: { readonly count: number; readonly valueBytes: number },
  ): Promise<number> {
    for (let index = 1; index <= count / 100; index += 1) {
      const changes = Array.from({ length: 100 }, (_, at): Change => {
        const value = Uint8Array.from(randomBytes(valueBytes));
        const written = put(`k${at}`, "", (index - 1) * 100 + at + 1);
        if (written.kind !== "put") return written;
        return { ...written, record: { ...written.record, value, valueBytes } };
      });
      await state.write(batch(index, changes));
    }
    return count;
  }

  /** They lie apart. */
  const LONG = { count: 4000, valueBytes: 10_000 };

  function reclaimerOf(state: StateStore): { readonly running: Promise<void> | null } {
    return (state as unknown as { present: { reclaimer: { running: Promise<void> | null } } }).present
      .reclaimer;
  }

  /** The rows of each kind that grows with history: newest, value, revision. */
  async function rowCounts(stateName = "state-1"): Promise<readonly number[]> {
    const counts: number[] = [];
    await editDatabase(join(rig.path, stateName), async (database) => {
      for (const kind of [0x10, 0x11, 0x01]) {
        counts.push((await database.keys({ gte: Buffer.of(kind), lt: Buffer.of(kind + 1) }).all()).length);
      }
    });
    return counts;
  }

  it("leaves the newest version of each key that is there, nothing of deleted ones, and of history what is not worth it", async () => {
    const state = await rig.openState();
    await writeOverwrites(state);
    await state.write(batch(ROUNDS + 1, [], { meta: meta(CHANGES, COMPACTED) }));
    await rig.settle();
    await rig.kill();
    expect(await rowCounts()).toEqual([KEYS / 2, 0, ROUNDS / 2]);
  });

  it("a change that was made right after a restart leaves no more of what it replaced than any other", async () => {
    const state = await rig.openState();
    await state.write(batch(1, [put("a", "1", 1), put("b", "1", 2)]));
    await rig.kill();
    const reopened = await rig.openState();
    await reopened.write(batch(2, [put("a", "2", 3), remove("b", 4), put("c", "1", 5)]));
    await reopened.write(batch(3, [], { meta: meta(5, { compactedRevision: 5 }) }));
    await rig.settle();
    expect(await pairs(reopened)).toEqual(["a=2", "c=1"]);
    await rig.kill();
    expect(await rowCounts()).toEqual([2, 0, 1]);
  });

  it("keeps what a truncation told until that is compacted, and drops what it made unreadable", async () => {
    const state = await rig.openState();
    await writeOverwrites(state);
    const at = CHANGES + 1;
    const floors = { oldestRevision: at, firstEventRevision: at };
    const namespaces = [namespace({ generation: 2, ...floors })];
    await state.write(batch(ROUNDS + 1, [truncate(at), put("n", "1", at + 1, 0, 2)], { namespaces }));
    await rig.settle();
    expect(await history(state, { from: at })).toEqual([truncate(at), put("n", "1", at + 1, 0, 2)]);
    await state.write(batch(ROUNDS + 2, [], { meta: meta(at + 1, { compactedRevision: at }) }));
    await rig.settle();
    await rig.kill();
    expect(await rowCounts()).toEqual([1, 0, ROUNDS / 2 + 1]);
  });

  it("leaves nothing of a namespace that was deleted", async () => {
    const state = await rig.openState();
    const other = overwrites().map((change): Change => ({ ...change, namespaceId: 2 }));
    await state.write(batch(1, other, { namespaces: [namespace({ id: 2, name: "two" })] }));
    const gone: Change = { ...truncate(CHANGES + 1), namespaceId: 2 };
    await state.write(batch(2, [gone], { namespacesDeleted: [{ id: 2, generation: 1 }] }));
    await rig.settle();
    await rig.kill();
    expect(await rowCounts()).toEqual([0, 0, 0]);
  });

  it("comes back from a crash after every slice, reads the same, and ends with the same", async () => {
    const state = await rig.openState();
    await writeOverwrites(state);
    const later = [put("k0", "later", CHANGES + 1), put("k1", "later", CHANGES + 2)];
    await state.write(batch(ROUNDS + 1, later));
    const index = ROUNDS + 2;
    await state.write(batch(index, [], { meta: meta(CHANGES + 2, COMPACTED) }));
    const expected = [await pairs(state, { revision: CHANGES }), await pairs(state)];
    expect(expected[0]).toHaveLength(KEYS / 2);
    await rig.settle();
    await rig.kill();
    const kept = `${rig.path}-kept`;
    await cp(rig.path, kept, { recursive: true });
    const logName = (await largestFile(statePath(), ".log")).slice(statePath().length);
    const { size } = await stat(join(statePath(), logName));
    const rowsLeft = new Set<number>();
    // What was removed lies at the end, and in finer parts.
    const cutAfter = (cut: number): number => cut + Math.floor(size / (cut < size / 10 ? 400 : 40));
    for (let cut = 0; ; cut = cutAfter(cut)) {
      await rm(rig.path, { recursive: true });
      await cp(kept, rig.path, { recursive: true });
      await cutTail(join(statePath(), logName), cut);
      const [, , rowCount] = await rowCounts();
      const again = await rig.openState();
      if (again.opened.applied.index < index) break;
      rowsLeft.add(rowCount as number);
      expect(await pairs(again, { revision: CHANGES })).toEqual(expected[0]);
      expect(await pairs(again)).toEqual(expected[1]);
      expect(await history(again, { from: CHANGES + 1 })).toEqual(later);
      await rig.settle();
      await rig.close();
      expect(await rowCounts()).toEqual([KEYS / 2 + 1, 0, ROUNDS / 2 + 1]);
    }
    // From nothing removed to all rows that have deletions, four a slice.
    expect([...rowsLeft].sort((left, right) => left - right)).toEqual([11, 13, 17, ROUNDS + 1]);
  });

  it("a write waits for no more than a slice of what is removed", async () => {
    const state = await rig.openState();
    await writeOverwrites(state);
    await state.write(batch(ROUNDS + 1, [], { meta: meta(CHANGES, COMPACTED) }));
    await state.write(
      batch(ROUNDS + 2, [put("k0", "later", CHANGES + 1)], { meta: meta(CHANGES + 1, COMPACTED) }),
    );
    expect(reclaimerOf(state).running).not.toBe(null);
    expect(await history(state, { from: CHANGES + 1 })).toHaveLength(1);
    await rig.settle();
    expect(reclaimerOf(state).running).toBe(null);
  });

  it("close does not wait until all is removed", async () => {
    const state = await rig.openState();
    await writeOverwrites(state);
    await state.write(batch(ROUNDS + 1, [], { meta: meta(CHANGES, COMPACTED) }));
    await rig.close();
    expect((await rowCounts())[2]).toBeGreaterThan(0);
    await rig.openState();
    await rig.settle();
    await rig.close();
    expect(await rowCounts()).toEqual([KEYS / 2, 0, ROUNDS / 2]);
  });

  it("history with which nothing else goes is removed together, when its space is worth returning, a restart or not", async () => {
    const state = await rig.openState();
    const revision = await overwriteValues(state, { count: 5000, valueBytes: 2000 });
    const stored = await diskBytes(statePath());
    const half = Math.floor(revision / 2);
    await state.write(batch(51, [], { meta: meta(revision, { compactedRevision: half }) }));
    await rig.settle();
    await rig.close();
    const [, , rowCount] = await rowCounts();
    expect(rowCount).toBeGreaterThanOrEqual(revision / 64);

    const again = await rig.openState();
    await rig.settle();
    expect(await diskBytes(statePath())).toBeGreaterThan(stored / 2);
    await again.write(batch(52, [], { meta: meta(revision, { compactedRevision: revision }) }));
    await rig.settle();
    expect(await diskBytes(statePath())).toBeLessThan(stored / 8);
    expect(await pairs(again)).toHaveLength(100);
    await rig.close();
    expect(await rowCounts()).toEqual([100, 0, 0]);
  });

  it("an image leaves out what is given up and still there", async () => {
    const state = await rig.openState();
    await writeOverwrites(state);
    const floor = CHANGES / 2;
    const namespaces = [namespace({ keyCount: KEYS / 2 })];
    await state.write(
      batch(ROUNDS + 1, [], { namespaces, meta: meta(CHANGES, { compactedRevision: floor }) }),
    );
    await rig.settle();
    const frozen = state.freeze();
    const receiver = await state.receive(frozen.header);
    for await (const chunk of frozen.chunks(null)) await receiver.put(chunk);
    frozen.close();
    await receiver.complete();
    const expected = [await pairs(state, { revision: floor }), await history(state, { from: floor + 1 })];
    await state.install(receiver);
    expect([await pairs(state, { revision: floor }), await history(state, { from: floor + 1 })]).toEqual(
      expected,
    );
    await rig.settle();
    await rig.close();
    expect(await rowCounts("state-2")).toEqual([KEYS, 0, ROUNDS / 2]);
  });

  it("gives the space of overwritten values back to the disk", async () => {
    const state = await rig.openState();
    const revision = await overwriteValues(state, LONG);
    const before = await diskBytes(statePath());
    expect(before).toBeGreaterThan(LONG.count * LONG.valueBytes * 0.9);
    await state.write(batch(41, [], { meta: meta(revision, { compactedRevision: revision }) }));
    await rig.settle();
    // What is left is what is there, and LevelDB's log of what was written last.
    expect(await diskBytes(statePath())).toBeLessThan(before / 8);
    expect((await pairs(state)).length).toBe(100);
    expect(
      await state.records({ namespaceId: 1, generation: 1, keys: [bytes("k1")], revision, keysOnly: true }),
    ).toHaveLength(1);
  });

  it("gives space back that a frozen state kept, when that is let go of, without another write", async () => {
    const state = await rig.openState();
    const revision = await overwriteValues(state, LONG);
    const before = await diskBytes(statePath());
    const frozen = [state.freeze(), state.freeze()];
    await state.write(batch(41, [], { meta: meta(revision, { compactedRevision: revision }) }));
    await rig.settle();
    expect(await diskBytes(statePath())).toBeGreaterThan(before / 2);
    for (const each of frozen) each.close();
    await eventually("the space is back", async () => (await diskBytes(statePath())) < before / 8);
    expect((await pairs(state)).length).toBe(100);
  });
});
