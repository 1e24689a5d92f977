import { kvMutations } from "./kv-mutations";
import { membershipMutations } from "./membership-mutations";
import { modelMutations } from "./model-mutations";
import type { Mutation } from "./mutation";
import { raftMutations } from "./raft-mutations";
import { replicaMutations } from "./replica-mutations";
import { snapshotMutations } from "./snapshot-mutations";
import { verificationMutations } from "./verification-mutations";
import { watchMutations } from "./watch-mutations";

export type { Catcher, Edit, Mutation } from "./mutation";

/** All deliberate bugs, each with a name of its own. */
export const mutations: readonly Mutation[] = [
  ...raftMutations,
  ...kvMutations,
  ...modelMutations,
  ...replicaMutations,
  ...watchMutations,
  ...membershipMutations,
  ...snapshotMutations,
  ...verificationMutations,
];
