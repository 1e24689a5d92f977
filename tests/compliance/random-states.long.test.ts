import { beforeAll } from "@jest/globals";
import { findBatchClass } from "./level-rig";
import { randomHistoryCompliance } from "./state-history";
import { stateImageCompliance } from "./state-image";
import { STATE_RIGS } from "./state-rigs";

const SEEDS = [1, 2, 3, 4, 5, 6];

beforeAll(findBatchClass);

for (const [name, create] of STATE_RIGS) {
  randomHistoryCompliance(name, create, { seeds: SEEDS, batchCount: 60 });
  stateImageCompliance(name, create, SEEDS);
}
