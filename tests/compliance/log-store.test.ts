import { MemoryLogDisk, openMemoryLogStore } from "@quorate/services/memory";
import { LevelRig } from "./level-rig";
import { logStoreCompliance } from "./log-store";

logStoreCompliance("segments", async () => {
  const rig = await LevelRig.create();
  return {
    open: () => rig.openLog(),
    kill: () => rig.kill(),
    failNextWrite: () => rig.failNextLogWrite(),
    dispose: () => rig.dispose(),
  };
});

logStoreCompliance("segments, hardly any entry kept in memory and an append or two a segment", async () => {
  const rig = await LevelRig.create({ logTailBytesMax: 300, logSegmentBytesMax: 200 });
  return {
    open: () => rig.openLog(),
    kill: () => rig.kill(),
    failNextWrite: () => rig.failNextLogWrite(),
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
