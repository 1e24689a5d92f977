import {
  type FetchRecordsRequest,
  type FetchRecordsResponse,
  type Hello,
  type VerificationBucketsResponse,
  type VerificationKeysRequest,
  type VerificationKeysResponse,
  type VerificationResponse,
  VerificationState,
  type StoredRecord as WireRecord,
} from "@quorate/proto/raft";
import type { StoredRecord } from "#kv";
import { EMPTY_BYTES } from "#std";
import type {
  BucketHash,
  KeyHash,
  KeySpaceRange,
  RecordsAnswer,
  RepairQuery,
  RootAnswer,
} from "#verification";

/** From what verifiers say to each other to its wire form and back. What came is copied where it views a frame. */

export function rootToWire(answer: RootAnswer): VerificationResponse {
  const none = { root: EMPTY_BYTES, appliedIndex: 0n, residentHash: EMPTY_BYTES, keys: 0n, buckets: 0n };
  switch (answer.kind) {
    case "pending":
      return { ...none, state: VerificationState.PENDING };
    case "unknown":
      return { ...none, state: VerificationState.UNKNOWN };
    case "done":
      return {
        state: VerificationState.DONE,
        root: answer.root,
        appliedIndex: BigInt(answer.appliedIndex),
        residentHash: answer.residentHash,
        keys: BigInt(answer.keys),
        buckets: BigInt(answer.buckets),
      };
  }
}

export function rootFromWire(wire: VerificationResponse): RootAnswer {
  switch (wire.state) {
    case VerificationState.DONE:
      return {
        kind: "done",
        root: ownCopy(wire.root),
        residentHash: ownCopy(wire.residentHash),
        appliedIndex: Number(wire.appliedIndex),
        keys: Number(wire.keys),
        buckets: Number(wire.buckets),
      };
    case VerificationState.PENDING:
      return { kind: "pending" };
    default:
      // A newer member may know states that this version does not: nothing can be made of its answer.
      return { kind: "unknown" };
  }
}

export function bucketsToWire(buckets: readonly BucketHash[]): VerificationBucketsResponse {
  return { buckets: buckets.map((bucket) => ({ ...bucket, keys: BigInt(bucket.keys) })) };
}

export function bucketsFromWire({ buckets }: VerificationBucketsResponse): BucketHash[] {
  return buckets.map(({ namespaceId, generation, start, hash, keys }) => ({
    namespaceId,
    generation,
    start: ownCopy(start),
    hash: ownCopy(hash),
    keys: Number(keys),
  }));
}

export function keysRequestToWire(
  hello: Hello,
  round: number,
  range: KeySpaceRange,
): VerificationKeysRequest {
  const { namespaceId, generation, start, end } = range;
  return { hello, round: BigInt(round), namespaceId, generation, start, end: end ?? undefined };
}

export function rangeFromWire({
  namespaceId,
  generation,
  start,
  end,
}: VerificationKeysRequest): KeySpaceRange {
  return { namespaceId, generation, start, end: end ?? null };
}

export function keysToWire(keys: readonly KeyHash[] | null): VerificationKeysResponse {
  return { known: keys !== null, keys: keys === null ? [] : [...keys] };
}

export function keysFromWire({ known, keys }: VerificationKeysResponse): readonly KeyHash[] | null {
  return known ? keys.map(({ key, hash }) => ({ key: ownCopy(key), hash: ownCopy(hash) })) : null;
}

export function repairQueryToWire(hello: Hello, query: RepairQuery): FetchRecordsRequest {
  const { namespaceId, generation, keys, revision, appliedIndex } = query;
  return {
    hello,
    namespaceId,
    generation,
    keys: [...keys],
    revision: BigInt(revision),
    appliedIndex: BigInt(appliedIndex),
  };
}

export function repairQueryFromWire(wire: FetchRecordsRequest): RepairQuery {
  const { namespaceId, generation, keys } = wire;
  return {
    namespaceId,
    generation,
    keys,
    revision: Number(wire.revision),
    appliedIndex: Number(wire.appliedIndex),
  };
}

export function recordsToWire(answer: Exclude<RecordsAnswer, { kind: "too_large" }>): FetchRecordsResponse {
  if (answer.kind === "unreadable") return { readable: false, records: [] };
  return { readable: true, records: answer.records.map(recordToWire) };
}

export function recordsFromWire({ readable, records }: FetchRecordsResponse): RecordsAnswer {
  return readable ? { kind: "records", records: records.map(recordFromWire) } : { kind: "unreadable" };
}

function recordToWire(record: StoredRecord): WireRecord {
  return {
    key: record.key,
    value: record.value,
    createRevision: BigInt(record.createRevision),
    modRevision: BigInt(record.modRevision),
    version: BigInt(record.version),
    leaseId: BigInt(record.leaseId),
  };
}

function recordFromWire(wire: WireRecord): StoredRecord {
  return {
    key: ownCopy(wire.key),
    value: ownCopy(wire.value),
    valueBytes: wire.value.length,
    createRevision: Number(wire.createRevision),
    modRevision: Number(wire.modRevision),
    version: Number(wire.version),
    leaseId: Number(wire.leaseId),
  };
}

function ownCopy(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? EMPTY_BYTES : new Uint8Array(bytes);
}
