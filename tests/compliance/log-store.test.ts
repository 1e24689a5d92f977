import { beforeAll } from "@jest/globals";
import { MemoryLogDisk, openMemoryLogStore } from "@quorate/services/memory";
import { findBatchClass, LevelRig } from "./level-rig";
import { logStoreCompliance } from "./log-store";

beforeAll(findBatchClass);

logStoreCompliance("LevelDB", async () => {
  const rig = await LevelRig.create();
  return {
    open: () => rig.openLog(),
    kill: () => rig.kill(),
    failNextWrite: () => rig.failNextWrite(),
    dispose: () => rig.dispose(),
  };
});

logStoreCompliance("LevelDB, hardly any entry kept in memory", async () => {
  const rig = await LevelRig.create({ logTailBytesMax: 300 });
  return {
    open: () => rig.openLog(),
    kill: () => rig.kill(),
    failNextWrite: () => rig.failNextWrite(),
    dispose: () => rig.dispose(),
  };
});

logStoreCompliance("memory", async () => {
  const disk = new MemoryLogDisk();
  return {
    open: async () => openMemoryLogStore(disk),
    kill: async () => disk.faults.release("the process was killed"),
    failNextWrite: () => disk.faults.failNextWrite("lost"),
    dispose: async () => {},
  };
});
