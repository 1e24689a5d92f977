import { describe, expect, it } from "@jest/globals";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import { type StateReceiver, type StateStore, StoreFailure } from "@quorate/services/replica";
import { entry, ids } from "../../compliance/log-store";
import { batch, bytes, get, pairs, put } from "../../compliance/state-samples";

const space = { namespaceId: 1, generation: 1 };

describe("installed states in memory", () => {
  async function senderWith(index: number): Promise<StateStore> {
    const state = openMemoryStateStore(new MemoryStateDisk());
    await state.write(batch(index, [put("sent", `${index}`, index)]));
    return state;
  }

  async function received(target: StateStore, sender: StateStore): Promise<StateReceiver> {
    const frozen = sender.freeze();
    const receiver = await target.receive(frozen.header);
    for await (const chunk of frozen.chunks(null)) await receiver.put(chunk);
    await receiver.complete();
    return receiver;
  }

  it("no crash takes one back, and what was written to it since goes as far as it was not synced", async () => {
    const disk = new MemoryStateDisk();
    const state = openMemoryStateStore(disk);
    await state.write(batch(1, [put("own", "1", 1)]));
    await state.install(await received(state, await senderWith(5)));
    await state.write(batch(6, [put("later", "6", 6)]));
    disk.crash({ batchesLost: Number.POSITIVE_INFINITY });
    const again = openMemoryStateStore(disk);
    expect(again.opened.applied.index).toBe(5);
    expect(await pairs(again)).toEqual(["sent=5"]);
    expect(again.checkpointIndex).toBe(5);
  });

  it.each([
    ["before", ["own=1"]],
    ["after", ["sent=5"]],
  ] as const)("a crash %s the exchange leaves one of them whole", async (moment, expected) => {
    const disk = new MemoryStateDisk();
    const state = openMemoryStateStore(disk);
    await state.write(batch(1, [put("own", "1", 1)]));
    await state.checkpoint();
    const receiver = await received(state, await senderWith(5));
    const crash = async (): Promise<void> => disk.crash({ batchesLost: 9 });
    if (moment === "before") disk.faults.beforeWrite = crash;
    else disk.faults.afterWrite = crash;
    await expect(state.install(receiver)).rejects.toBeInstanceOf(StoreFailure);
    disk.faults.beforeWrite = disk.faults.afterWrite = null;
    expect(await pairs(openMemoryStateStore(disk))).toEqual(expected);
  });

  it("an older copy of the disk is of the state before", async () => {
    const disk = new MemoryStateDisk(1, 8);
    const state = openMemoryStateStore(disk);
    await state.write(batch(1, [put("own", "1", 1)]));
    await state.write(batch(2, [put("own", "2", 2)]));
    await state.install(await received(state, await senderWith(5)));
    await state.write(batch(6, [put("sent", "6", 6)]));
    await state.close();
    disk.rollBack({ batches: 3 });
    const again = openMemoryStateStore(disk);
    expect(again.opened.applied.index).toBe(1);
    expect(await pairs(again)).toEqual(["own=1"]);
  });

  it("H5: a record can be changed, taken away and made up behind the store's back", async () => {
    const disk = new MemoryStateDisk();
    const state = openMemoryStateStore(disk);
    await state.write(batch(1, [put("a", "1", 1), put("b", "1", 2)]));
    await state.write(batch(2, [put("a", "2", 3)]));
    expect(disk.corruptRecord({ ...space, key: bytes("a"), value: bytes("wrong") })).toBe(true);
    expect(disk.corruptRecord({ ...space, key: bytes("b"), value: null })).toBe(true);
    expect(disk.corruptRecord({ ...space, key: bytes("none"), value: null })).toBe(false);
    expect(disk.corruptRecord({ ...space, key: bytes("ö"), value: bytes("") })).toBe(true);
    expect(await pairs(state)).toEqual(["a=wrong", "ö="]);
    expect(await get(state, "a", 2)).toBe("1");
    // What a crash takes back does not trip over it.
    disk.crash({ batchesLost: 1 });
    expect(await get(openMemoryStateStore(disk), "a")).toBe("1");
  });
});

describe("a log in memory that was cut", () => {
  it("stays cut after a crash, and loses what was not synced only", async () => {
    const disk = new MemoryLogDisk();
    const log = openMemoryLogStore(disk);
    const append = (sync: boolean, ...entries: ReturnType<typeof entry>[]) =>
      log.append({ entries, hardState: null }, { sync });
    await append(true, entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1));
    await append(false, entry(4, 2), entry(5, 2));
    await log.cut(2);
    disk.crash();
    const again = openMemoryLogStore(disk);
    expect(ids(again)).toBe("1/3 1/4");
    expect([again.firstIndex(), again.term(2)]).toEqual([3, 1]);
    await again.cut(4);
    disk.crash();
    expect([openMemoryLogStore(disk).firstIndex(), disk.lastIndex, disk.bytes]).toEqual([5, 4, 0]);
  });
});
