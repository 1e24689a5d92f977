import type { Change, StoredRecord } from "@quorate/services/kv";
import { text } from "./state-samples";

/** All of a record, on a line: jest compares lines in a hundredth of the time. */
export function recordLine(record: StoredRecord | null): string {
  if (record === null) return "nothing";
  const { key, value, valueBytes, createRevision, modRevision, version, leaseId } = record;
  return `${text(key)} ${createRevision} ${modRevision} ${version} ${leaseId} ${valueBytes} ${text(value)}`;
}

/** All of a change, in the same way. */
export function changeLine(change: Change): string {
  const { kind, namespaceId, generation, revision, ordinal, origin } = change;
  const { cause, wallTimeMs, requestId } = origin;
  const request = requestId === null ? "" : `${requestId.clientId}/${requestId.sequence}`;
  const of = kind === "put" ? recordLine(change.record) : kind === "delete" ? text(change.key) : "";
  return `${kind} ${namespaceId}/${generation} ${revision}.${ordinal} ${cause} ${wallTimeMs} ${request} ${of}`;
}
