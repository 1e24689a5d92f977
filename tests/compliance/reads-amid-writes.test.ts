import { isLongRun } from "../support/long-run";
import { readsAmidWritesCompliance } from "./reads-amid-writes";
import { drawnLevelRig, memoryRig } from "./state-rigs";

/** These seeds draw each of the limits that there are at least once. */
const EACH_LIMIT_ONCE = [6, 12, 13, 14, 16, 20];

readsAmidWritesCompliance("LevelDB, with limits drawn by the seed", drawnLevelRig, {
  seeds: isLongRun ? Array.from({ length: 20 }, (_, at) => at + 1) : EACH_LIMIT_ONCE,
  batchCount: 80,
});
readsAmidWritesCompliance("memory", memoryRig, { seeds: [1, 2], batchCount: 80 });
