import { readsAmidWritesCompliance } from "./reads-amid-writes";
import { drawnLevelRig, memoryRig } from "./state-rigs";

readsAmidWritesCompliance("LevelDB, with limits drawn by the seed", drawnLevelRig, {
  seeds: Array.from({ length: 10 }, (_, at) => at + 1),
  batchCount: 80,
});
readsAmidWritesCompliance("memory", memoryRig, { seeds: [1, 2], batchCount: 80 });
