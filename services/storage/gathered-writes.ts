import type {
  LeaseKey,
  LeaseState,
  MembershipState,
  NamespaceState,
  SessionAnswer,
  SessionState,
  StateWrites,
} from "#kv";
import { KeyTable } from "./key-table";
import { keyOfChange, type WrittenChange } from "./revision-records";
import type { EndedGeneration } from "./state-records";
import { isApartOf, type VersionChange } from "./version-records";

/** A version that a change made. */
export interface WrittenVersion {
  readonly change: VersionChange;
  /** The value of its `newest` row. */
  readonly row: Uint8Array;
}

/** What was written of keys at last. */
export type WrittenKeys = KeyTable<WrittenVersion>;

/** What a change takes besides its key and what `newest` has of it, in the rows that it is put into, nearly. */
const CHANGE_OVERHEAD_BYTES = 75;
/** What anything else takes, besides an answer's own bytes, nearly. */
const ITEM_BYTES = 50;

/**
 * What batches of commands did one after another, as it is stored together: all that changed, and of what is written
 * anew again and again only the last. So where each batch is small, most rows are left out.
 */
export class GatheredWrites {
  /** In the order of (revision, ordinal). */
  readonly changes: WrittenChange[] = [];
  /** Those whose values lie apart. */
  readonly apart: VersionChange[] = [];
  /** The last change of each key. */
  readonly newest: WrittenKeys = new KeyTable();
  /** null for those that were deleted, here and below. */
  readonly namespaces = new Map<number, NamespaceState | null>();
  readonly sessions = new Map<number, SessionState | null>();
  readonly leases = new Map<number, LeaseState | null>();
  /** In the order in which they were attached and detached. */
  readonly leaseKeys: { readonly key: LeaseKey; readonly isAttached: boolean }[] = [];
  readonly ended: EndedGeneration[] = [];
  membership: MembershipState | null = null;
  /** Of answers that are stored; those that were gathered are just forgotten. */
  readonly answersDropped: { readonly clientId: number; readonly sequence: number }[] = [];
  /** By client id and sequence. */
  private readonly answersOf = new Map<number, Map<number, SessionAnswer>>();
  private itemCount = 0;
  private variableBytes = 0;

  /** What it comes to in rows, nearly and not less. */
  get bytes(): number {
    return this.variableBytes + this.itemCount * ITEM_BYTES;
  }

  /** Those that are to be kept. */
  get answers(): readonly SessionAnswer[] {
    const answers: SessionAnswer[] = [];
    for (const ofClient of this.answersOf.values()) {
      for (const answer of ofClient.values()) answers.push(answer);
    }
    return answers;
  }

  get sessionsEnded(): readonly number[] {
    const ended: number[] = [];
    for (const [clientId, session] of this.sessions) if (session === null) ended.push(clientId);
    return ended;
  }

  /** Takes the next change, in their order. @param replaced see WrittenChange */
  addChange(
    hash: number,
    change: VersionChange & WrittenChange["change"],
    { row, replaced }: { readonly row: Uint8Array; readonly replaced: Uint8Array },
  ): void {
    const key = keyOfChange(change);
    this.newest.set(hash, change, key, { change, row });
    if (isApartOf(change)) {
      this.apart.push(change);
      this.variableBytes += change.record.value.length;
    }
    // A row of its own, and a share of one with others.
    this.variableBytes += row.length + 2 * key.length;
    this.addTold({ change, replaced });
  }

  /** Takes the next change, of no key. */
  addTold(written: WrittenChange): void {
    this.changes.push(written);
    this.variableBytes += written.replaced.length + CHANGE_OVERHEAD_BYTES;
  }

  /** Takes all but the changes. */
  add(writes: StateWrites): void {
    for (const namespace of writes.namespaces) this.namespaces.set(namespace.id, namespace);
    for (const { id } of writes.namespacesDeleted) this.namespaces.set(id, null);
    for (const session of writes.sessions) this.sessions.set(session.clientId, session);
    for (const lease of writes.leases) this.leases.set(lease.leaseId, lease);
    for (const leaseId of writes.leasesEnded) this.leases.set(leaseId, null);
    for (const key of writes.leaseKeysDetached) this.leaseKeys.push({ key, isAttached: false });
    for (const key of writes.leaseKeysAttached) this.leaseKeys.push({ key, isAttached: true });
    for (const ended of endedGenerations(writes)) this.ended.push(ended);
    if (writes.membership !== null) this.membership = writes.membership;
    this.addAnswers(writes);
    this.itemCount +=
      writes.namespaces.length +
      writes.namespacesDeleted.length +
      writes.sessions.length +
      writes.leases.length +
      writes.leasesEnded.length +
      writes.leaseKeysDetached.length +
      writes.leaseKeysAttached.length +
      writes.answers.length +
      (writes.membership?.members.length ?? 0);
  }

  private addAnswers(writes: StateWrites): void {
    for (const dropped of writes.answersDropped) {
      const isGathered = this.answersOf.get(dropped.clientId)?.delete(dropped.sequence) === true;
      if (!isGathered) this.answersDropped.push(dropped);
    }
    for (const answer of writes.answers) {
      const ofClient = this.answersOf.get(answer.clientId);
      if (ofClient === undefined) this.answersOf.set(answer.clientId, new Map([[answer.sequence, answer]]));
      else ofClient.set(answer.sequence, answer);
      this.variableBytes += answer.answer.length;
    }
    for (const clientId of writes.sessionsEnded) {
      this.sessions.set(clientId, null);
      this.answersOf.delete(clientId);
    }
  }
}

/** The generations that a batch ended: those of truncations, and the last ones of deleted namespaces. */
export function endedGenerations(writes: StateWrites): readonly EndedGeneration[] {
  const ended: EndedGeneration[] = [];
  for (const { kind, namespaceId, generation } of writes.changes) {
    if (kind === "truncate") ended.push({ namespaceId, generation });
  }
  for (const { id, generation } of writes.namespacesDeleted) ended.push({ namespaceId: id, generation });
  return ended;
}
