import {
  type Alarm,
  AlarmKind,
  Health,
  type PeerProgress,
  Role,
  type StatusResponse,
  type VerificationStatus as WireVerificationStatus,
} from "@quorate/proto/cluster";
import { SESSION_WINDOW_MAX } from "#kv";
import type { ProgressStatus, RaftStatus, RoleName } from "#raft";
import type { VerificationStatus } from "#verification";
import type { AlarmName, RaisedAlarm } from "./alarms";
import type { NodeContext } from "./node-context";

const rolesByName = {
  follower: Role.FOLLOWER,
  pre_candidate: Role.PRE_CANDIDATE,
  candidate: Role.CANDIDATE,
  leader: Role.LEADER,
} as const satisfies Record<RoleName, Role>;

const alarmKindsByName = {
  no_space: AlarmKind.NO_SPACE,
  diverged: AlarmKind.DIVERGED,
  member_down: AlarmKind.MEMBER_DOWN,
} as const satisfies Record<AlarmName, AlarmKind>;

export async function statusOf(node: NodeContext): Promise<StatusResponse> {
  const { facts, limits, directory } = node;
  const status = node.replica.status();
  const { raft, receiving } = status;
  const { voters, votersOutgoing, learners } = raft.configuration;
  const leaderId = raft.leaderId;
  node.alarms.observe();
  return {
    clusterId: node.clusterId,
    memberId: node.memberId,
    storeId: node.storeId,
    role: learners.includes(raft.id) ? Role.LEARNER : rolesByName[raft.role],
    term: BigInt(raft.term),
    leaderId: leaderId ?? "",
    leaderAddress: leaderId === null ? "" : (directory.address(leaderId) ?? ""),
    lastIndex: BigInt(raft.last.index),
    commitIndex: BigInt(raft.commit),
    appliedIndex: BigInt(status.appliedIndex),
    // A snapshot is the state itself, as far as no crash can take it back.
    snapshotIndex: BigInt(status.checkpointIndex),
    revision: BigInt(status.revision),
    lag: BigInt(Math.max(0, raft.commit - status.appliedIndex)),
    peers: peersOf(raft),
    uptimeMs: BigInt(Math.floor(facts.uptimeMs())),
    memoryBytes: BigInt(facts.memoryBytes()),
    diskBytes: BigInt(await facts.diskBytes()),
    limits: {
      keyBytesMax: BigInt(limits.keyBytesMax),
      valueBytesMax: BigInt(limits.valueBytesMax),
      requestBytesMax: BigInt(limits.requestBytesMax),
      txnOperationsMax: BigInt(limits.txnOperationsMax),
      batchRecordsMax: BigInt(limits.batchRecordsMax),
      sessionWindowMax: BigInt(SESSION_WINDOW_MAX),
    },
    softwareVersion: node.softwareVersion,
    health: facts.hasFailed() ? Health.UNHEALTHY : leaderId === null ? Health.DEGRADED : Health.HEALTHY,
    replicatedTimeMs: BigInt(status.timeMs),
    logSyncs: BigInt(status.log.syncs),
    logEntriesSynced: BigInt(status.log.entriesSynced),
    sessions: BigInt(status.sessions),
    logFirstIndex: BigInt(status.logFirstIndex),
    logBytes: BigInt(status.logBytes),
    diskFreeBytes: BigInt(facts.diskFreeBytes() ?? 0),
    alarms: node.alarms.list.map(alarmOf),
    verification: node.verification === null ? undefined : verificationOf(node.verification.status()),
    receiving:
      receiving === null
        ? undefined
        : {
            fromMemberId: receiving.from,
            index: BigInt(receiving.index),
            bytes: BigInt(receiving.bytes),
            resumptions: BigInt(receiving.resumptions),
          },
    snapshotsSending: BigInt(status.imagesOpen),
    voters: [...voters],
    votersOutgoing: [...votersOutgoing],
    learners: [...learners],
    leases: BigInt(status.leases),
    watches: BigInt(node.watches.size),
  };
}

/** How far the others are, as the leader sees it; empty on any other member. */
function peersOf(raft: RaftStatus): PeerProgress[] {
  const peers = (raft.progress ?? []).filter(({ id }) => id !== raft.id);
  return peers.map((peer: ProgressStatus) => ({
    memberId: peer.id,
    matchIndex: BigInt(peer.match),
    nextIndex: BigInt(peer.next),
    state: peer.state,
    lag: BigInt(Math.max(0, raft.last.index - peer.match)),
    recentlyActive: peer.isRecentlyActive,
    catchUpPercent: raft.last.index === 0 ? 100 : (peer.match / raft.last.index) * 100,
  }));
}

function alarmOf({ kind, memberId, message, sinceMs }: RaisedAlarm): Alarm {
  return { kind: alarmKindsByName[kind], memberId, message, sinceMs: BigInt(Math.floor(sinceMs)) };
}

function verificationOf(status: VerificationStatus): WireVerificationStatus {
  return {
    round: BigInt(status.round),
    appliedIndex: BigInt(status.appliedIndex),
    root: status.root,
    keys: BigInt(status.keys),
    buckets: BigInt(status.buckets),
    dirtyBuckets: BigInt(status.dirtyBuckets),
    agreedRound: BigInt(status.agreedRound),
    diverged: [...status.diverged],
    recordsRepaired: BigInt(status.recordsRepaired),
  };
}
