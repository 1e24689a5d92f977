import {
  HashRequest,
  HashResponse,
  ListClientsRequest,
  ListClientsResponse,
  ListMembersRequest,
  ListMembersResponse,
  StatsRequest,
  StatsResponse,
  StatusRequest,
  StatusResponse,
  TransferLeadershipRequest,
  TransferLeadershipResponse,
} from "@quorate/proto/cluster";
import type { ByteCall, CallFailure } from "#forward";
import { DEFAULT_NAMESPACE, MerkleBuilder, prefixRange } from "#kv";
import type { ReadPoint } from "#replica";
import { statusOf } from "./cluster-status";
import { memberList } from "./membership-methods";
import { type UnaryMethod, unaryMethod } from "./method";
import type { NodeContext } from "./node-context";
import { isStateReplaced, readFailure, transferFailure } from "./outcome-failures";
import { checkCount, checkNamespace, checkRange } from "./request-fields";

const NO_BYTES = new Uint8Array(0);

/** How often a hash is begun before its caller is told that the state is being replaced under it. */
const HASH_ATTEMPTS_MAX = 3;

export const clusterMethods = {
  status: unaryMethod(StatusRequest, StatusResponse, async (node) => statusOf(node)),

  listMembers: unaryMethod(ListMembersRequest, ListMembersResponse, async (node) => ({
    members: memberList(node),
  })),

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
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await hash(node, request, call);
      } catch (error) {
        // A hash has no cursor: it begins anew in the state that took the place of the one before.
        if (!isStateReplaced(error) || attempt === HASH_ATTEMPTS_MAX) throw error;
      }
    }
  }),

  stats: unaryMethod(StatsRequest, StatsResponse, async (node, { reset }) => {
    const { keys, bytes } = node.replica.status();
    const { counters } = node;
    const methods = counters
      .methods()
      .map(({ method, ok, failed }) => ({ method, ok: BigInt(ok), failed: BigInt(failed) }));
    const forwarded = BigInt(counters.forwarded);
    if (reset) counters.reset();
    return { memberId: node.memberId, methods, forwarded, keys: BigInt(keys), bytes: BigInt(bytes) };
  }),
} as const satisfies Record<string, UnaryMethod>;

async function hash(node: NodeContext, request: HashRequest, call: ByteCall): Promise<HashResponse> {
  const point = await hashPoint(node, request, call);
  const { namespaceId, generation, revision } = point;
  const builder = new MerkleBuilder(node.digest);
  const range = prefixRange(request.prefix);
  const query = { ...range, namespaceId, generation, revision, reverse: false, keysOnly: false };
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
}

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
