import { MemoryStateDisk, openMemoryStateStore } from "@quorate/services/memory";
import { LevelRig } from "./level-rig";
import type { StateRig } from "./state-store";

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

/** What stores of the state are tested on, by name. */
export const STATE_RIGS: readonly (readonly [string, () => Promise<StateRig>])[] = [
  ["LevelDB", levelRig({ imageChunkBytes: 4000 })],
  ["LevelDB, without a cache", levelRig({ recordCacheBytesMax: 0, imageChunkBytes: 4000 })],
  [
    "LevelDB, without a cache, each batch by itself, in small chunks, a checkpoint every other batch",
    levelRig({
      recordCacheBytesMax: 0,
      gatheredBytes: 0,
      scanChunkBytes: 1000,
      imageChunkBytes: 500,
      checkpointBatches: 2,
    }),
  ],
  ["memory", memoryRig],
];

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
