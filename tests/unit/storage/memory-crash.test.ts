import { describe, expect, it } from "@jest/globals";
import { NO_MEMBERS } from "@quorate/services/kv";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import { ReadExpired, StoreFailure } from "@quorate/services/replica";
import { entry, ids } from "../../compliance/log-store";
import {
  batch,
  get,
  history,
  meta,
  namespace,
  pairs,
  put,
  remove,
  scanned,
  truncate,
} from "../../compliance/state-samples";

const SYNC = { sync: true };
const UNSYNCED = { sync: false };

describe("crashes of the log in memory", () => {
  it("lose what was not synced: entries, a replaced suffix, a vote", async () => {
    const disk = new MemoryLogDisk();
    const log = openMemoryLogStore(disk);
    const hardState = { term: 1, vote: "n1", commit: 0 };
    await log.append({ entries: [entry(1, 1), entry(2, 1), entry(3, 1)], hardState }, SYNC);
    await log.append(
      { entries: [entry(3, 2), entry(4, 2)], hardState: { term: 2, vote: null, commit: 1 } },
      UNSYNCED,
    );
    await log.append({ entries: [entry(2, 3)], hardState: null }, UNSYNCED);
    expect(ids(log)).toBe("1/1 3/2");
    disk.crash();
    await expect(log.append({ entries: [entry(3, 3)], hardState: null }, SYNC)).rejects.toBeInstanceOf(
      StoreFailure,
    );
    const again = openMemoryLogStore(disk);
    expect(ids(again)).toBe("1/1 1/2 1/3");
    expect(again.hardState).toEqual(hardState);
  });

  it("lose nothing that a later synced append followed", async () => {
    const disk = new MemoryLogDisk();
    const log = openMemoryLogStore(disk);
    await log.append({ entries: [entry(1, 1)], hardState: null }, UNSYNCED);
    await log.append({ entries: [entry(2, 1)], hardState: null }, SYNC);
    await log.append({ entries: [entry(3, 1)], hardState: null }, UNSYNCED);
    disk.crash();
    expect(ids(openMemoryLogStore(disk))).toBe("1/1 1/2");
  });

  it("a write that is under way when power goes is lost, and told so", async () => {
    const disk = new MemoryLogDisk();
    const log = openMemoryLogStore(disk);
    disk.faults.beforeWrite = async () => disk.crash();
    await expect(log.append({ entries: [entry(1, 1)], hardState: null }, SYNC)).rejects.toBeInstanceOf(
      StoreFailure,
    );
    disk.faults.beforeWrite = null;
    expect(ids(openMemoryLogStore(disk))).toBe("");
  });

  it("a failed write may have been kept all the same", async () => {
    const disk = new MemoryLogDisk();
    const log = openMemoryLogStore(disk);
    disk.faults.failNextWrite("kept");
    await expect(log.append({ entries: [entry(1, 1)], hardState: null }, SYNC)).rejects.toBeInstanceOf(
      StoreFailure,
    );
    disk.crash();
    expect(ids(openMemoryLogStore(disk))).toBe("1/1");
  });

  it("a disk is open once at a time", async () => {
    const disk = new MemoryLogDisk();
    const log = openMemoryLogStore(disk);
    expect(() => openMemoryLogStore(disk)).toThrow(StoreFailure);
    await log.close();
    const second = openMemoryLogStore(disk);
    await log.close();
    expect(() => openMemoryLogStore(disk)).toThrow(StoreFailure);
    await second.close();
  });
});

describe("crashes of the state in memory", () => {
  const answer = (sequence: number) => ({ clientId: 4, sequence, answer: Uint8Array.of(sequence) });
  const session = { clientId: 4, namespaceId: 1, ttlMs: 1, deadlineMs: null, firstUnanswered: 1 };
  const batches = [
    batch(1, [put("a", "1", 1), put("b", "1", 2)], { sessions: [session], answers: [answer(1)] }),
    batch(2, [remove("a", 3), put("b", "2", 4), put("d", "3", 4, 1)], {
      answers: [answer(2)],
      answersDropped: [{ clientId: 4, sequence: 1 }],
    }),
    batch(3, [put("c", "1", 5)], { sessionsEnded: [4], membership: { ...NO_MEMBERS, epoch: 1 } }),
    batch(4, [truncate(6)], { namespaces: [namespace({ generation: 2 })] }),
    batch(5, [put("d", "1", 7, 0, 2)]),
  ];

  async function stateAfter(count: number) {
    const disk = new MemoryStateDisk();
    const state = openMemoryStateStore(disk);
    for (const written of batches.slice(0, count)) await state.write(written);
    return { disk, state };
  }

  async function contents(disk: MemoryStateDisk) {
    disk.faults.release("looked at");
    const state = openMemoryStateStore(disk);
    const generation = state.opened.resident.namespaces[0]?.generation ?? 0;
    const byRevision: unknown[] = [];
    for (let revision = 0; revision <= 7; revision += 1)
      byRevision.push(await scanned(state, { revision, generation }));
    return { ...state.opened, byRevision };
  }

  it.each([0, 1, 2, 3, 4, 5])("come back as of the batch before the last %s", async (batchesLost) => {
    const { disk, state } = await stateAfter(5);
    disk.crash({ batchesLost });
    await expect(get(state, "a")).rejects.toBeInstanceOf(StoreFailure);
    const expected = await stateAfter(5 - batchesLost);
    expect(await contents(disk)).toEqual(await contents(expected.disk));
  });

  it("never take back what a checkpoint covered", async () => {
    const { disk } = await stateAfter(3);
    disk.checkpoint();
    expect(disk.checkpointIndex).toBe(3);
    disk.crash({ batchesLost: 10 });
    expect(openMemoryStateStore(disk).opened.applied.index).toBe(3);
  });

  it("make a checkpoint by themselves after so many batches", async () => {
    const disk = new MemoryStateDisk(2);
    const state = openMemoryStateStore(disk);
    for (const written of batches.slice(0, 3)) await state.write(written);
    expect(state.checkpointIndex).toBe(2);
    disk.crash({ batchesLost: 10 });
    const again = openMemoryStateStore(disk);
    expect(await pairs(again)).toEqual(["b=2", "d=3"]);
  });

  it("bring back what a compaction gave up, with the disk as it was before it", async () => {
    const disk = new MemoryStateDisk(2, 8);
    const state = openMemoryStateStore(disk);
    await state.write(batch(1, [put("a", "1", 1), put("b", "1", 2)]));
    await state.write(batch(2, [remove("a", 3), put("b", "2", 4)]));
    const told = await history(state);
    const compacted = { compactedRevision: 4 };
    await state.write(batch(3, [], { meta: meta(4, compacted) }));
    await state.write(batch(4, [put("a", "2", 5)], { meta: meta(5, compacted) }));
    await state.write(batch(5, [put("b", "3", 6)], { meta: meta(6, compacted) }));
    expect(await pairs(state, { revision: 4 })).toEqual(["b=2"]);
    await expect(history(state, { from: 4 })).rejects.toBeInstanceOf(ReadExpired);
    await state.close();
    disk.rollBack({ batches: 3 });
    const older = openMemoryStateStore(disk);
    expect(await history(older)).toEqual(told);
    expect(await pairs(older, { revision: 2 })).toEqual(["a=1", "b=1"]);
    expect(await pairs(older)).toEqual(["b=2"]);
    await older.write(batch(3, [put("c", "1", 5)]));
    expect(await history(older, { from: 4 })).toEqual([put("b", "2", 4), put("c", "1", 5)]);
  });
});
