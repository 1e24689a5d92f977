import { beforeEach, describe, expect, it } from "@jest/globals";
import { type FailPointName, FailPoints, guardLogStore, guardStateStore } from "@quorate/services/faults";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import { type FrozenState, type StateStore, StoreFailure } from "@quorate/services/replica";
import { entry, ids } from "../../compliance/log-store";
import { batch, bytes, pairs, put, record } from "../../compliance/state-samples";

describe("fail points of images, of cutting the log and of repair", () => {
  let failPoints: FailPoints;
  let disk: MemoryStateDisk;
  let state: StateStore;
  let frozen: FrozenState;

  beforeEach(async () => {
    failPoints = new FailPoints({ onCrash: () => undefined });
    disk = new MemoryStateDisk();
    state = guardStateStore(openMemoryStateStore(disk), failPoints);
    await state.write(batch(1, [put("own", "1", 1)]));
    const sender = openMemoryStateStore(new MemoryStateDisk());
    await sender.write(batch(5, [put("sent", "5", 5)]));
    frozen = sender.freeze();
  });

  async function exchange(): Promise<void> {
    const receiver = await state.receive(frozen.header);
    for await (const chunk of frozen.chunks(null)) await receiver.put(chunk);
    expect(receiver.position).not.toBeNull();
    await receiver.complete();
    await state.install(receiver);
    await receiver.abandon();
  }

  async function repair(): Promise<void> {
    const space = { namespaceId: 1, generation: 1 };
    await state.repair([{ ...space, key: bytes("own"), record: record("own", "2", 1) }]);
  }

  async function send(): Promise<void> {
    const own = state.freeze();
    for await (const chunk of own.chunks(null)) expect(chunk.isLast).toBe(true);
    own.close();
  }

  const points: readonly (readonly [FailPointName, () => Promise<void>, readonly string[]])[] = [
    ["state.checkpoint.before", () => state.checkpoint(), ["own=1"]],
    ["state.checkpoint.after", () => state.checkpoint(), ["own=1"]],
    ["state.chunk.before", send, ["own=1"]],
    ["state.chunk.after", send, ["own=1"]],
    ["state.receive.before", exchange, ["own=1"]],
    ["state.receive.after", exchange, ["own=1"]],
    ["state.put.before", exchange, ["own=1"]],
    ["state.put.after", exchange, ["own=1"]],
    ["state.complete.before", exchange, ["own=1"]],
    ["state.complete.after", exchange, ["own=1"]],
    ["state.install.before", exchange, ["own=1"]],
    ["state.install.after", exchange, ["sent=5"]],
    ["state.repair.before", repair, ["own=1"]],
    ["state.repair.after", repair, ["own=2"]],
  ];

  it.each(points)("J9: an error at %s ends the store", async (name, act, left) => {
    failPoints.set(name, "error");
    await expect(act()).rejects.toBeInstanceOf(StoreFailure);
    failPoints.clear();
    await expect(act()).rejects.toBeInstanceOf(StoreFailure);
    disk.faults.release("looked at");
    expect(await pairs(openMemoryStateStore(disk))).toEqual(left);
  });

  it("J9: all pass where nothing is set, and are counted", async () => {
    await send();
    await exchange();
    for (const [name] of points)
      expect([name, failPoints.hits(name)]).toEqual([name, expectedHits[name] ?? 1]);
    await state.checkpoint();
    expect(await pairs(state)).toEqual(["sent=5"]);
    expect(state.opened.applied.index).toBe(5);
  });

  const expectedHits: Partial<Record<FailPointName, number>> = {
    // The question after the last chunk is one too, and finds that there is none.
    "state.chunk.before": 2,
    "state.chunk.after": 2,
    "state.checkpoint.before": 0,
    "state.checkpoint.after": 0,
    "state.repair.before": 0,
    "state.repair.after": 0,
  };

  it.each([
    ["log.cut.before", "1/1 1/2"],
    ["log.cut.after", "1/2"],
  ] as const)("J9: an error at %s ends the log", async (name, left) => {
    const logDisk = new MemoryLogDisk();
    const log = guardLogStore(openMemoryLogStore(logDisk), failPoints);
    await log.append({ entries: [entry(1, 1), entry(2, 1)], hardState: null }, { sync: true });
    expect(log.bytes).toBeGreaterThan(0);
    failPoints.set(name, "error");
    await expect(log.cut(1)).rejects.toBeInstanceOf(StoreFailure);
    await expect(
      log.append({ entries: [entry(3, 1)], hardState: null }, { sync: true }),
    ).rejects.toBeInstanceOf(StoreFailure);
    logDisk.faults.release("looked at");
    expect(ids(openMemoryLogStore(logDisk))).toBe(left);
  });
});
