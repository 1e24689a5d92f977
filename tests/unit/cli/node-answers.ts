import { AlarmKind, Health, Role, type StatusResponse } from "@quorate/client/generated";
import type { FakeNode } from "./fake-nodes";

const COUNTS = {
  term: 3n,
  lastIndex: 120n,
  commitIndex: 120n,
  appliedIndex: 120n,
  snapshotIndex: 100n,
  revision: 80n,
  lag: 0n,
  uptimeMs: 61_000n,
  memoryBytes: 50_000_000n,
  diskBytes: 3_000_000n,
  replicatedTimeMs: 60_000n,
  logSyncs: 9n,
  logEntriesSynced: 90n,
  sessions: 1n,
  logFirstIndex: 50n,
  logBytes: 4000n,
  diskFreeBytes: 9_000_000_000n,
  snapshotsSending: 0n,
  leases: 0n,
  watches: 0n,
};

/** The status of a node of a cluster of three that n1 leads. */
export function healthyStatus({ memberId }: FakeNode): StatusResponse {
  return {
    ...COUNTS,
    clusterId: "fake",
    memberId,
    storeId: `store of ${memberId}`,
    role: memberId === "n1" ? Role.LEADER : Role.FOLLOWER,
    leaderId: "n1",
    leaderAddress: "127.0.0.1:1",
    peers: [],
    limits: undefined,
    softwareVersion: "0",
    health: Health.HEALTHY,
    alarms: [],
    verification: {
      round: 4n,
      appliedIndex: 90n,
      root: new Uint8Array(32),
      keys: 7n,
      buckets: 1n,
      dirtyBuckets: 0n,
      agreedRound: memberId === "n1" ? 4n : 0n,
      diverged: [],
      recordsRepaired: 0n,
    },
    receiving: undefined,
    voters: ["n1", "n2", "n3"],
    votersOutgoing: [],
    learners: [],
  };
}

/** What the leader tells of a member that has gone silent. */
export const memberDown = {
  kind: AlarmKind.MEMBER_DOWN,
  memberId: "n3",
  message: "n3 was not heard of for 30 s: see whether it runs",
  sinceMs: 1_790_000_000_000n,
};
