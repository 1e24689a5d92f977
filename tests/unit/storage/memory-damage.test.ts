import { describe, expect, it } from "@jest/globals";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import { StoreFailure } from "@quorate/services/replica";
import { entry } from "../../compliance/log-store";
import { batch, pairs, put, remove } from "../../compliance/state-samples";

describe("damage in memory", () => {
  it("of the log is found when it is opened, which refuses", async () => {
    const disk = new MemoryLogDisk();
    const log = openMemoryLogStore(disk);
    await log.append({ entries: [entry(1, 1)], hardState: null }, { sync: true });
    await log.close();
    disk.damage();
    for (const attempt of ["first", "second"]) {
      let refused: unknown = attempt;
      try {
        openMemoryLogStore(disk);
      } catch (error) {
        refused = error;
      }
      expect(refused).toMatchObject({ name: StoreFailure.name, dataLoss: true });
    }
  });

  it("of the state is found when it is opened, which starts empty and is written anew", async () => {
    const disk = new MemoryStateDisk();
    const state = openMemoryStateStore(disk);
    await state.write(batch(1, [put("a", "v", 1)]));
    await state.close();
    disk.damage();
    const again = openMemoryStateStore(disk);
    expect(again.opened.applied).toEqual({ term: 0, index: 0 });
    expect(await pairs(again)).toEqual([]);
    await again.write(batch(1, [put("a", "v", 1)]));
    await again.close();
    const repaired = openMemoryStateStore(disk);
    expect(repaired.opened.applied.index).toBe(1);
  });

  it("of the state goes back to an older copy, past checkpoints as far as it remembers", async () => {
    const disk = new MemoryStateDisk(2, 4);
    const state = openMemoryStateStore(disk);
    for (let index = 1; index <= 7; index += 1) {
      await state.write(
        batch(index, index === 6 ? [remove("k5", 6)] : [put(`k${index}`, `v${index}`, index)]),
      );
    }
    await state.close();
    expect(disk.knownBatches).toBe(5);
    disk.rollBack({ batches: 3 });
    const older = openMemoryStateStore(disk);
    expect(older.opened.applied.index).toBe(4);
    expect(older.checkpointIndex).toBe(4);
    expect(await pairs(older)).toEqual(["k1=v1", "k2=v2", "k3=v3", "k4=v4"]);
    await older.write(batch(5, [put("k5", "v5", 5)]));
    expect(await pairs(older)).toHaveLength(5);
  });
});
