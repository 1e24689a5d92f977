import type {
  Change,
  LeaseKey,
  LeaseState,
  MembershipState,
  NamespaceState,
  SessionAnswer,
  SessionState,
  StateWrites,
} from "#kv";
import { GatheredRows } from "./gathered-rows";
import { keyOfChange } from "./revision-records";
import { RevisionRows } from "./revision-rows";
import type { EndedGeneration } from "./state-records";
import { isApartOf, type VersionChange } from "./version-records";

/** Rows of keys and of history, packed when they are gathered; its memory is used again for what is gathered later. */
export class PackedRows {
  /** Of the last change of each key. */
  readonly newest = new GatheredRows();
  readonly revisions = new RevisionRows();

  clear(): void {
    this.newest.clear();
    this.revisions.clear();
  }
}

/** What a change takes besides its key and what `newest` has of it, in the rows that it is put into, nearly. */
const CHANGE_OVERHEAD_BYTES = 75;
/** What anything else takes, besides an answer's own bytes, nearly. */
const ITEM_BYTES = 50;

/**
 * What batches of commands did one after another, as it is stored together: all that changed, and of what is written
 * anew again and again only the last. So where each batch is small, most rows are left out.
 */
export class GatheredWrites {
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

  /** @param rows empty */
  constructor(readonly rows = new PackedRows()) {}

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

  /**
   * Takes the next change, in their order. Bytes are copied: they may lie in memory that changes.
   *
   * @param rows the `newest` row that it makes, and the one that it takes the place of, which is empty where there was none
   */
  addChange(
    hash: number,
    change: VersionChange & Change,
    { row, replaced }: { readonly row: Uint8Array; readonly replaced: Uint8Array },
  ): void {
    // First, for what is replaced may lie where the new row comes to lie.
    this.addTold(change, replaced);
    this.rows.newest.set(hash, change, row);
    if (isApartOf(change)) this.variableBytes += change.record.value.length;
    // A row of its own, and a share of one with others.
    this.variableBytes += row.length + 2 * keyOfChange(change).length;
  }

  /** Takes the next change, of no key; or its share of a `revision` row. */
  addTold(change: Change, replaced: Uint8Array): void {
    this.rows.revisions.add(change, replaced);
    this.variableBytes += replaced.length + CHANGE_OVERHEAD_BYTES;
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
