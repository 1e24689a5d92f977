import { MemoryStateDisk, openMemoryStateStore } from "@quorate/services/memory";
import { type Random, seededRandom } from "@quorate/services/std";
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

/** Limits from nothing to more than is needed, drawn by the seed: what is in memory, gathered and read at once is other in each. */
export function drawnLevelRig(seed: number): Promise<StateRig> {
  const random = seededRandom(seed);
  return levelRig({
    recordCacheBytesMax: pick(random, [0, 5000, 10_000, 20_000, 40_000, 400_000]),
    recordRunsBytesMax: pick(random, [0, 5000, 60_000, 8 * 1024 * 1024]),
    gatheredBytes: pick(random, [0, 0, 0, 2000, 256 * 1024]),
    gatheredMs: pick(random, [1, 5, 50, 10_000]),
    scanChunkBytes: pick(random, [500, 5000, 256 * 1024]),
    checkpointBatches: pick(random, [50, 4096]),
    checkpointBytes: pick(random, [200_000, 4 * 1024 * 1024]),
    recordOverflowBytesMax: pick(random, [0, 16_384, 65_536, 4 * 1024 * 1024]),
  })();
}

export async function memoryRig(): Promise<StateRig> {
  const disk = new MemoryStateDisk();
  return {
    open: async () => openMemoryStateStore(disk),
    kill: async () => disk.faults.release("the process was killed"),
    failNextWrite: () => disk.faults.failNextWrite("lost"),
    settle: async () => disk.checkpoint(),
    dispose: async () => {},
  };
}

function pick(random: Random, items: readonly number[]): number {
  return items[random.below(items.length)] as number;
}
