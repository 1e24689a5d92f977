import {
  BatchGetRequest,
  BatchGetResponse,
  Consistency,
  CountRequest,
  CountResponse,
  ExistsRequest,
  ExistsResponse,
  type Record as KvRecord,
} from "@quorate/proto/kv";
import type { ByteCall } from "#forward";
import { DEFAULT_NAMESPACE } from "#kv";
import type { ReadPoint, ReadRequest } from "#replica";
import { EMPTY_BYTES } from "#std";
import { recordOfStored, responseHeader } from "./header";
import { type UnaryMethod, unaryMethod } from "./method";
import type { NodeContext } from "./node-context";
import { notLeaderFailure, readFailure } from "./outcome-failures";
import { checkCount, checkKeys, checkNamespace, checkRange, invalid, tooLarge } from "./request-fields";

/** What gRPC clients accept as one message unless told otherwise, less a little for the frame around the records. */
export const ANSWER_BYTES_MAX = 4 * 1024 * 1024 - 4 * 1024;
/** The fields of a record beside its key and value, at most. */
export const RECORD_OVERHEAD_BYTES = 64;
/** So many values are in memory at a time before their sum is known: this many times the limit of one. */
const KEYS_PER_READ = 32;
const KEYS_PER_READ_WITHOUT_VALUES = 1024;

/** Where and how fresh to read, as every read request says it. */
export interface ReadFields {
  readonly namespace: string;
  readonly consistency: Consistency;
  readonly minRevision: bigint;
  readonly maxStalenessMs: bigint;
  readonly revision: bigint;
}

/** All reads but Get (gets.ts) and Scan, which streams. */
export const readMethods = {
  batchGet: unaryMethod(BatchGetRequest, BatchGetResponse, async (node, request, call) => {
    const keys = checkKeys(request.keys, node.limits);
    const { keysOnly } = request;
    const point = await readPoint(node, request, call);
    const records: KvRecord[] = [];
    const found: boolean[] = [];
    let bytes = 0;
    const step = keysOnly ? KEYS_PER_READ_WITHOUT_VALUES : KEYS_PER_READ;
    for (let from = 0; from < keys.length && !call.aborted; from += step) {
      const some = keys.slice(from, from + step);
      const read = await node.replica.state.records({ ...placeOf(point), keys: some, keysOnly });
      for (const [at, record] of read.entries()) {
        const key = some[at] as Uint8Array;
        records.push(record === null ? absentRecord(key) : recordOfStored(record));
        found.push(record !== null);
        bytes += key.length + (record?.value.length ?? 0) + RECORD_OVERHEAD_BYTES;
      }
      if (bytes > ANSWER_BYTES_MAX) {
        throw tooLarge(
          `the records are more than the limit of ${ANSWER_BYTES_MAX} bytes for one answer; ask for fewer`,
        );
      }
    }
    return { header: responseHeader(node, point.term, point.revision), records, found };
  }),

  count: unaryMethod(CountRequest, CountResponse, async (node, request, call) => {
    const range = checkRange(request, node.limits);
    const point = await readPoint(node, request, call);
    let count = 0;
    const query = { ...placeOf(point), ...range, reverse: false, keysOnly: true };
    for await (const chunk of node.replica.state.scan(query)) {
      count += chunk.length;
      if (call.aborted) break;
    }
    return { header: responseHeader(node, point.term, point.revision), count: BigInt(count) };
  }),

  exists: unaryMethod(ExistsRequest, ExistsResponse, async (node, request, call) => {
    const keys = checkKeys(request.keys, node.limits);
    const point = await readPoint(node, request, call);
    let count = 0;
    for (let from = 0; from < keys.length && !call.aborted; from += KEYS_PER_READ_WITHOUT_VALUES) {
      const some = keys.slice(from, from + KEYS_PER_READ_WITHOUT_VALUES);
      const read = await node.replica.state.records({ ...placeOf(point), keys: some, keysOnly: true });
      for (const record of read) if (record !== null) count += 1;
    }
    return { header: responseHeader(node, point.term, point.revision), count: BigInt(count) };
  }),
} as const satisfies Record<string, UnaryMethod>;

/** Waits until the read may be answered here; throws what a caller is told when it may not. */
export async function readPoint(node: NodeContext, fields: ReadFields, call: ByteCall): Promise<ReadPoint> {
  const request = readRequest(fields);
  refuseUnlessLeader(node, request, call);
  const outcome = await node.replica.readPoint(request, call);
  if (outcome.kind === "ready") return outcome;
  throw readFailure(outcome, request);
}

/** What the replica is asked for; throws where the fields are no good. */
export function readRequest(fields: ReadFields): ReadRequest {
  return {
    namespace: checkNamespace(fields.namespace) || DEFAULT_NAMESPACE,
    consistency: consistencyOf(fields.consistency),
    minRevision: checkCount(fields.minRevision, "min_revision"),
    maxStalenessMs: checkCount(fields.maxStalenessMs, "max_staleness_ms"),
    revision: checkCount(fields.revision, "revision"),
  };
}

/** The part of a query that says where in the state to read. */
export function placeOf(point: ReadPoint): {
  readonly namespaceId: number;
  readonly generation: number;
  readonly revision: number;
} {
  return { namespaceId: point.namespaceId, generation: point.generation, revision: point.revision };
}

/** With forwarding off the caller wants to hear where the leader is, not to have the question carried to it. */
export function refuseUnlessLeader(node: NodeContext, request: ReadRequest, call: ByteCall): void {
  if (request.consistency !== "linearizable" || request.maxStalenessMs !== 0) return;
  const isForwardingOff = !node.forwarding || call.headers.forward === "off";
  if (isForwardingOff && node.directory.knownLeaderId !== node.memberId) throw notLeaderFailure(node);
}

function consistencyOf(consistency: Consistency): ReadRequest["consistency"] {
  switch (consistency) {
    case Consistency.UNSPECIFIED:
    case Consistency.LINEARIZABLE:
      return "linearizable";
    case Consistency.STALE:
      return "stale";
    default:
      // What is on the wire may be a number that this version has no name for.
      throw invalid(`consistency has the unknown value ${consistency satisfies never}`);
  }
}

function absentRecord(key: Uint8Array): KvRecord {
  return {
    key: key,
    value: EMPTY_BYTES,
    createRevision: 0n,
    modRevision: 0n,
    version: 0n,
    leaseId: 0n,
  };
}
