import {
  HashRequest,
  HashResponse,
  Health,
  ListClientsRequest,
  ListClientsResponse,
  ListMembersRequest,
  ListMembersResponse,
  type PeerProgress,
  Role,
  StatsRequest,
  StatsResponse,
  StatusRequest,
  StatusResponse,
  TransferLeadershipRequest,
  TransferLeadershipResponse,
} from "@quorate/proto/cluster";
import type { ByteCall, CallFailure } from "#forward";
import { DEFAULT_NAMESPACE, MerkleBuilder, prefixRange, SESSION_WINDOW_MAX } from "#kv";
import type { ProgressStatus, RaftStatus, RoleName } from "#raft";
import type { ReadPoint } from "#replica";
import { type UnaryMethod, unaryMethod } from "./method";
import type { NodeContext } from "./node-context";
import { readFailure, transferFailure } from "./outcome-failures";
import { checkCount, checkNamespace, checkRange } from "./request-fields";

const NO_BYTES = new Uint8Array(0);

export const clusterMethods = {
  status: unaryMethod(StatusRequest, StatusResponse, async (node) => statusOf(node)),

  listMembers: unaryMethod(ListMembersRequest, ListMembersResponse, async (node) => {
    const { configuration } = node.replica.status().raft;
    return {
      members: node.members.map((member) => ({
        memberId: member.id,
        clientAddress: member.clientAddress,
        peerAddress: member.peerAddress,
        storeId: node.replica.memberStore(member.id) ?? "",
        leader: member.id === node.directory.knownLeaderId,
        voter: configuration.voters.includes(member.id),
      })),
    };
  }),

  transferLeadership: unaryMethod(
    TransferLeadershipRequest,
    TransferLeadershipResponse,
    async (node, { memberId }, call) => {
      call.isSubmitted = true;
      const result = await node.replica.transferLeadership(memberId === "" ? null : memberId);
      if (result.kind !== "transferred") throw transferFailure(node, result, memberId);
      return { leaderId: result.leaderId, term: BigInt(result.term) };
    },
  ),

  listClients: unaryMethod(ListClientsRequest, ListClientsResponse, async (node) => ({
    memberId: node.memberId,
    clients: node.clients().map((client) => ({
      address: client.address,
      connectedMs: BigInt(Math.round(client.connectedMs)),
      bytesReceived: BigInt(client.bytesReceived),
      bytesSent: BigInt(client.bytesSent),
    })),
  })),

  hash: unaryMethod(HashRequest, HashResponse, async (node, request, call) => {
    checkRange({ start: NO_BYTES, end: NO_BYTES, prefix: request.prefix }, node.limits);
    const point = await hashPoint(node, request, call);
    const { namespaceId, generation, revision } = point;
    const builder = new MerkleBuilder(node.digest);
    const query = {
      ...prefixRange(request.prefix),
      namespaceId,
      generation,
      revision,
      reverse: false,
      keysOnly: false,
    };
    for await (const chunk of node.replica.state.scan(query)) {
      for (const record of chunk) builder.add(record.key, record.value);
      if (call.aborted) break;
    }
    return {
      root: builder.root(),
      count: BigInt(builder.count),
      revision: BigInt(revision),
      memberId: node.memberId,
      appliedIndex: BigInt(point.appliedIndex),
    };
  }),

  stats: unaryMethod(StatsRequest, StatsResponse, async (node) => {
    const { keys, bytes } = node.replica.status();
    return {
      memberId: node.memberId,
      methods: node.counters
        .methods()
        .map(({ method, ok, failed }) => ({ method, ok: BigInt(ok), failed: BigInt(failed) })),
      forwarded: BigInt(node.counters.forwarded),
      keys: BigInt(keys),
      bytes: BigInt(bytes),
    };
  }),
} as const satisfies Record<string, UnaryMethod>;

/** A named revision is waited for in this node's own state; without one, the newest is asked of the quorum. */
async function hashPoint(node: NodeContext, request: HashRequest, call: ByteCall): Promise<ReadPoint> {
  const revision = checkCount(request.revision, "revision");
  const read = {
    namespace: checkNamespace(request.namespace) || DEFAULT_NAMESPACE,
    consistency: revision === 0 ? ("linearizable" as const) : ("stale" as const),
    minRevision: revision,
    maxStalenessMs: 0,
    revision,
  };
  const outcome = await node.replica.readPoint(read, call);
  if (outcome.kind === "ready") return outcome;
  const failure: CallFailure = readFailure(outcome, read);
  throw failure;
}

const rolesByName = {
  follower: Role.FOLLOWER,
  pre_candidate: Role.PRE_CANDIDATE,
  candidate: Role.CANDIDATE,
  leader: Role.LEADER,
} as const satisfies Record<RoleName, Role>;

async function statusOf(node: NodeContext): Promise<StatusResponse> {
  const { facts, limits, directory } = node;
  const status = node.replica.status();
  const { raft } = status;
  const leaderId = raft.leaderId;
  return {
    clusterId: node.clusterId,
    memberId: node.memberId,
    storeId: node.storeId,
    role: raft.configuration.learners.includes(raft.id) ? Role.LEARNER : rolesByName[raft.role],
    term: BigInt(raft.term),
    leaderId: leaderId ?? "",
    leaderAddress: leaderId === null ? "" : (directory.address(leaderId) ?? ""),
    lastIndex: BigInt(raft.last.index),
    commitIndex: BigInt(raft.commit),
    appliedIndex: BigInt(status.appliedIndex),
    // No snapshots are made yet.
    snapshotIndex: 0n,
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
