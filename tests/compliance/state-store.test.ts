import { beforeAll } from "@jest/globals";
import { MemoryStateDisk, openMemoryStateStore } from "@quorate/services/memory";
import { findBatchClass, LevelRig } from "./level-rig";
import { stateHistoryCompliance } from "./state-history";
import { stateImageCompliance } from "./state-image";
import { stateResidentCompliance } from "./state-resident";
import { type StateRig, stateStoreCompliance } from "./state-store";

beforeAll(findBatchClass);

function levelRig(options: Parameters<typeof LevelRig.create>[0]): () => Promise<StateRig> {
  return async () => {
    const rig = await LevelRig.create(options);
    return {
      open: () => rig.openState(),
      kill: () => rig.kill(),
      failNextWrite: () => rig.failNextWrite(),
      settle: () => rig.settle(),
      dispose: () => rig.dispose(),
    };
  };
}

const rigs: readonly (readonly [string, () => Promise<StateRig>])[] = [
  ["LevelDB", levelRig({ imageChunkBytes: 4000 })],
  [
    "LevelDB, without a cache, in small chunks, a checkpoint every other batch",
    levelRig({ recordCacheBytesMax: 0, scanChunkBytes: 1000, imageChunkBytes: 500, checkpointBatches: 2 }),
  ],
  ["memory", memoryRig],
];

for (const [name, create] of rigs) {
  stateStoreCompliance(name, create);
  stateResidentCompliance(name, create);
  stateHistoryCompliance(name, create);
  stateImageCompliance(name, create);
}

async function memoryRig(): Promise<StateRig> {
  const disk = new MemoryStateDisk();
  return {
    open: async () => openMemoryStateStore(disk),
    kill: async () => disk.faults.release("the process was killed"),
    failNextWrite: () => disk.faults.failNextWrite("lost"),
    settle: async () => disk.checkpoint(),
    dispose: async () => {},
  };
}
