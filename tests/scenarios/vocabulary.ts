import type { EntryKind, MemberId, ProgressState, RoleName } from "@quorate/services/raft";

/** Names as etcd-io/raft spells them, so that schedules of the two can be compared line by line. */

export const roleNames = {
  follower: "StateFollower",
  pre_candidate: "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
} as const satisfies Record<RoleName, string>;

export const progressStateNames = {
  probe: "StateProbe",
  replicate: "StateReplicate",
  snapshot: "StateSnapshot",
} as const satisfies Record<ProgressState, string>;

export const entryKindNames = {
  normal: "EntryNormal",
  conf_change: "EntryConfChange",
  conf_change_v2: "EntryConfChangeV2",
} as const satisfies Record<EntryKind, string>;

/** Scripts count their nodes from 1; the core knows them as n1, n2 … */
export function memberIdOf(id: number): MemberId {
  return `n${id}`;
}

/** The script's number of a member, 0 for none. */
export function numberOf(id: MemberId | null): number {
  return id === null ? 0 : Number(id.slice(1));
}
