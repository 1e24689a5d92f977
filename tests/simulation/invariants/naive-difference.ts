import type { Answer, Change, Done, NamespaceState } from "@quorate/services/kv";
import { Refusal } from "@quorate/services/kv";
import { hexEncode } from "@quorate/services/std";
import { membershipText } from "./naive-members";
import type { NaiveDone, NaiveRecord } from "./naive-records";
import {
  bytesOf,
  type NaiveAnswer,
  type NaiveChange,
  type NaiveNamespace,
  type NaiveStore,
} from "./naive-store";
import type { ReferenceStep } from "./reference";

/** How an answer differs from what the model says, in words, or null. */
export function answerDifference(expected: NaiveAnswer, { revision, result }: Answer): string | null {
  if (result === undefined) return "something, but has no answer";
  const wanted = typeof expected.result === "number" ? nameOf(expected.result) : naiveText(expected.result);
  const found = result.$case === "refused" ? nameOf(result.value.refusal) : doneText(result.value);
  if (expected.revision !== revision) {
    return `revision ${expected.revision} (${wanted}), but is with ${revision} (${found})`;
  }
  return wanted === found ? null : `${wanted}, but is with ${found}`;
}

/** The first change that differs, in words, or null. */
export function changesDifference(
  expected: readonly NaiveChange[],
  changes: readonly Change[],
): string | null {
  const [wanted, found] = [expected.map(naiveChangeText), changes.map(changeText)];
  for (let at = 0; at < Math.max(wanted.length, found.length); at += 1) {
    if (wanted[at] !== found[at])
      return `${wanted[at] ?? "nothing more"}, but does ${found[at] ?? "nothing more"}`;
  }
  return null;
}

/** How namespaces and leases that were written differ from the model's, in words, or null. */
export function stateDifference(
  model: NaiveStore,
  { writes, counts }: Pick<ReferenceStep, "writes" | "counts">,
): string | null {
  const [wanted, found] = [countsText(model.counts), countsText(counts)];
  if (wanted !== found) return `${wanted}, but has ${found}`;
  if (writes.meta.verifyRound !== model.verifyRound)
    return `round ${model.verifyRound}, but is at ${writes.meta.verifyRound}`;
  if (writes.membership !== null) {
    const [members, foundMembers] = [model.members.text, membershipText(writes.membership)];
    if (members !== foundMembers) return `the members ${members}, but has ${foundMembers}`;
  }
  for (const state of writes.namespaces) {
    const namespace = model.namespaces.get(state.name);
    if (namespace === undefined) return `no namespace ${state.name}, but has one`;
    const [wanted, found] = [namespaceText(namespace), stateText(state)];
    if (wanted !== found) return `${wanted}, but has ${found}`;
  }
  for (const { leaseId, ttlMs, deadlineMs } of writes.leases) {
    const lease = model.leases.get(BigInt(leaseId));
    const wanted = lease === undefined ? "none" : `${lease.ttlMs} ms until ${lease.deadlineMs}`;
    const found = `${ttlMs} ms until ${deadlineMs}`;
    if (wanted !== found) return `lease ${leaseId} ${wanted}, but has it ${found}`;
  }
  for (const leaseId of writes.leasesEnded) {
    if (model.leases.has(BigInt(leaseId))) return `lease ${leaseId}, but has ended it`;
  }
  return null;
}

function countsText({ sessions, leases }: ReferenceStep["counts"]): string {
  return `${sessions} sessions and ${leases} leases`;
}

function namespaceText({ id, name, records, keysMax, bytesMax, ...floors }: NaiveNamespace): string {
  const size = `${records.size} keys ${bytesOf(records)} bytes of ${keysMax}, ${bytesMax}`;
  return `${name} ${id}: ${size}, from ${floors.oldestRevision}, ${floors.firstEvent}`;
}

function stateText(state: NamespaceState): string {
  const { id, name, keyCount, byteCount, keysMax, bytesMax, oldestRevision, firstEventRevision } = state;
  const size = `${keyCount} keys ${byteCount} bytes of ${keysMax ?? 0}, ${bytesMax ?? 0}`;
  return `${name} ${id}: ${size}, from ${oldestRevision}, ${firstEventRevision}`;
}

function naiveChangeText({ namespaceId, revision, key, record, cause }: NaiveChange): string {
  const what = key === null ? "truncate" : record === null ? `delete ${key}` : `put ${recordText(record)}`;
  return `${cause}: ${namespaceId} ${revision} ${what}`;
}

function changeText(change: Change): string {
  const place = `${change.origin.cause}: ${change.namespaceId} ${change.revision}`;
  switch (change.kind) {
    case "put":
      return `${place} put ${recordText(ofAnswer(change.record))}`;
    case "delete":
      return `${place} delete ${hexEncode(change.key)}`;
    case "truncate":
      return `${place} truncate`;
  }
}

function nameOf(refusal: Refusal): string {
  return Refusal[refusal] ?? String(refusal);
}

/** What a Done says, without what is nothing or 0. */
function doneText(done: Done): string {
  return naiveText(naiveDone(done));
}

function naiveDone({ txn, record, previous, records, renewals, more, ...numbers }: Done): NaiveDone {
  return {
    ...numbers,
    record: record === undefined ? undefined : ofAnswer(record),
    previous: previous === undefined ? undefined : ofAnswer(previous),
    records: records.map(ofAnswer),
    renewals: renewals.map(({ leaseId, ttlMs }) => ({ leaseId, ttlMs })),
    more,
    ...(txn === undefined
      ? {}
      : { txn: { succeeded: txn.succeeded, results: txn.results.map((result) => naiveDone(result)) } }),
  };
}

function ofAnswer(record: {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: bigint | number;
  readonly modRevision: bigint | number;
  readonly version: bigint | number;
  readonly leaseId: bigint | number;
}): NaiveRecord {
  return {
    key: hexEncode(record.key),
    value: hexEncode(record.value),
    createRevision: BigInt(record.createRevision),
    modRevision: BigInt(record.modRevision),
    version: BigInt(record.version),
    leaseId: BigInt(record.leaseId),
  };
}

function naiveText(done: NaiveDone): string {
  const { record, previous, records = [], renewals = [], txn, more = false } = done;
  const { deleted, value, clientId, ttlMs, namespaceId, leaseId, count } = done;
  const parts: string[] = [];
  for (const [name, number] of Object.entries({
    deleted,
    value,
    clientId,
    ttlMs,
    namespaceId,
    leaseId,
    count,
  })) {
    if (number !== undefined && number !== 0n) parts.push(`${name} ${number}`);
  }
  if (record !== undefined) parts.push(`record ${recordText(record)}`);
  if (previous !== undefined) parts.push(`previous ${recordText(previous)}`);
  if (records.length > 0) parts.push(`records ${records.map(recordText).join(" ")}`);
  if (renewals.length > 0) {
    parts.push(`renewals ${renewals.map((renewal) => `${renewal.leaseId}:${renewal.ttlMs}`).join(" ")}`);
  }
  if (more) parts.push("more");
  if (txn !== undefined) parts.push(`txn ${txn.succeeded} [${txn.results.map(naiveText).join("; ")}]`);
  return parts.length === 0 ? "done" : parts.join(", ");
}

function recordText({ key, value, createRevision, modRevision, version, leaseId }: NaiveRecord): string {
  return `${key}=${value}@${createRevision}/${modRevision}/${version}${leaseId === 0n ? "" : `/l${leaseId}`}`;
}
