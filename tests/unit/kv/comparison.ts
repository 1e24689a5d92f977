import { expect } from "@jest/globals";
import { type Answer, encodeAnswer, type StoredRecord } from "@quorate/services/kv";
import { compareBytes, hexEncode } from "@quorate/services/std";
import type { Harness } from "./harness";
import type { NaiveMachine } from "./naive-machine";

export function bytesOf(answers: readonly Answer[]): string[] {
  return answers.map((answer) => hexEncode(encodeAnswer(answer)));
}

/** The naive machine has no messages. */
function withoutMessage(answer: Answer): Answer {
  return answer.result?.$case === "refused"
    ? { ...answer, result: { $case: "refused", value: { ...answer.result.value, message: "" } } }
    : answer;
}

export function everythingOf(harness: Harness): unknown {
  return {
    resident: harness.machine.resident(),
    contents: harness.machine.resident().namespaces.map(({ id }) => harness.store.contents(id)),
    changes: harness.store.changes,
  };
}

/** Lease and key of each record that has a lease, sorted as the machine tells them. */
function attachmentsOf(records: readonly StoredRecord[]): unknown[] {
  return records
    .filter((record) => record.leaseId !== 0)
    .sort((left, right) => left.leaseId - right.leaseId || compareBytes(left.key, right.key))
    .map((record) => [record.leaseId, record.key]);
}

/** Applies the list to the plain model, which must give the same answers and come to the same contents. */
export function expectAsNaive(
  harness: Harness,
  answers: readonly Answer[],
  naive: NaiveMachine,
  list: readonly Uint8Array[],
): void {
  expect(bytesOf(answers.map(withoutMessage))).toEqual(bytesOf(list.map((bytes) => naive.apply(bytes))));
  expect(harness.machine.meta.revision).toBe(Number(naive.revision));
  expect(harness.machine.meta.compactedRevision).toBe(Number(naive.compactedRevision));
  expect(harness.machine.meta.verifyRound).toBe(naive.verifyRound);
  const { namespaces, leases, leaseKeys, membership } = harness.machine.resident();
  expect(membership.epoch).toBe(naive.members.epoch);
  expect(membership.retiredStores).toEqual([...naive.members.retired]);
  expect(
    membership.members.map(({ memberId, peerAddress, storeId }) => [memberId, peerAddress, storeId]),
  ).toEqual(
    [...naive.members.addresses]
      .sort()
      .map(([memberId, peerAddress]) => [memberId, peerAddress, naive.members.stores.get(memberId) ?? null]),
  );
  expect(leases.map(({ leaseId, deadlineMs }) => [leaseId, deadlineMs])).toEqual(
    [...naive.leases].map(([leaseId, { deadlineMs }]) => [
      Number(leaseId),
      deadlineMs === null ? null : Number(deadlineMs),
    ]),
  );
  expect(
    namespaces.map(({ id, name, oldestRevision, firstEventRevision }) => ({
      id,
      name,
      oldestRevision,
      firstEventRevision,
    })),
  ).toEqual(
    [...naive.spaces.values()].map(({ id, name, oldestRevision, firstEventRevision }) => ({
      id: Number(id),
      name,
      oldestRevision: Number(oldestRevision),
      firstEventRevision: Number(firstEventRevision),
    })),
  );
  for (const { id, name, keyCount, byteCount } of namespaces) {
    const contents = harness.store.contents(id);
    expect(
      contents.map(({ key, value, createRevision, modRevision, version, leaseId }) => [
        hexEncode(key),
        hexEncode(value),
        createRevision,
        modRevision,
        version,
        leaseId,
      ]),
    ).toEqual(naive.contents(name));
    const attached = leaseKeys.filter(({ namespaceId }) => namespaceId === id);
    expect(attached.map(({ leaseId, key }) => [leaseId, key])).toEqual(attachmentsOf(contents));
    expect({ keyCount, byteCount }).toEqual({
      keyCount: contents.length,
      byteCount: contents.reduce((sum, { key: at, value: held }) => sum + at.length + held.length, 0),
    });
  }
}
