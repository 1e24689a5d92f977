import { kvMutations } from "./kv-mutations";
import { leaseMutations } from "./lease-mutations";
import { membershipMutations } from "./membership-mutations";
import { modelMutations } from "./model-mutations";
import type { Mutation } from "./mutation";
import { raftMutations } from "./raft-mutations";
import { replicaMutations } from "./replica-mutations";
import { snapshotMutations } from "./snapshot-mutations";
import { verificationMutations } from "./verification-mutations";
import { watchMutations } from "./watch-mutations";

export type { Catcher, Edit, Mutation } from "./mutation";

/** The deliberate bugs, by what they are bugs of. */
export const mutationsByArea = {
  raft: raftMutations,
  leases: leaseMutations,
  kv: kvMutations,
  model: modelMutations,
  replica: replicaMutations,
  watch: watchMutations,
  membership: membershipMutations,
  snapshots: snapshotMutations,
  verification: verificationMutations,
} as const satisfies Record<string, readonly Mutation[]>;

/** All of them, each with a name of its own. */
export const mutations: readonly Mutation[] = Object.values(mutationsByArea).flat();
