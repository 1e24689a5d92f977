import { beforeAll } from "@jest/globals";
import { findBatchClass } from "./level-rig";
import { randomHistoryCompliance, stateHistoryCompliance } from "./state-history";
import { stateImageCompliance } from "./state-image";
import { stateResidentCompliance } from "./state-resident";
import { STATE_RIGS } from "./state-rigs";
import { stateStoreCompliance } from "./state-store";

beforeAll(findBatchClass);

for (const [at, [name, create]] of STATE_RIGS.entries()) {
  stateStoreCompliance(name, create);
  stateResidentCompliance(name, create);
  stateHistoryCompliance(name, create);
  // More of them are in random-states.long.test.ts.
  randomHistoryCompliance(name, create, { seeds: [1 + at], batchCount: 40 });
  stateImageCompliance(name, create, [1 + at]);
}
