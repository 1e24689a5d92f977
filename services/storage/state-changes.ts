import type { Change, ResidentState, StateWrites } from "#kv";
import type { ChainedBatch } from "./database";
import type { NewestRecords } from "./newest-records";
import { cacheKeyOf } from "./record-cache";
import { RecordWriter } from "./record-writer";
import { keyOfChange, type PreviousVersion, writeRevision } from "./revision-records";
import { answerKey, leaseKey, leaseKeyKey, namespaceKey, sessionKey } from "./state-layout";
import {
  type EndedGeneration,
  writeAnswer,
  writeEnded,
  writeLease,
  writeLeaseKey,
  writeMembership,
  writeNamespace,
  writeSession,
} from "./state-records";
import { writeNewest, writeVersion } from "./version-records";

/** Turns what a batch of commands did into records, all but the head. */
export class StateChanges {
  private readonly writer = new RecordWriter();
  /** The sequences of the stored answers of each session, for a session that ends takes its answers along. */
  private readonly sequences = new Map<number, Set<number>>();

  /** @param newest what a change takes the place of is mostly known from it */
  constructor(
    resident: ResidentState,
    private readonly newest: NewestRecords,
  ) {
    for (const { clientId, sequence } of resident.answers) this.noteAnswer(clientId, sequence);
  }

  /** Returns the bytes put. */
  putInto(batch: ChainedBatch, writes: StateWrites): number {
    const { writer } = this;
    let bytes = 0;
    for (const namespace of writes.namespaces)
      bytes += writeNamespace(writer, namespace).putInto(batch).bytes;
    if (writes.membership !== null) bytes += writeMembership(writer, writes.membership).putInto(batch).bytes;
    for (const session of writes.sessions) bytes += writeSession(writer, session).putInto(batch).bytes;
    for (const answer of writes.answers) {
      bytes += writeAnswer(writer, answer).putInto(batch).bytes;
      this.noteAnswer(answer.clientId, answer.sequence);
    }
    // Removals come last: of two operations on a key in one batch LevelDB keeps the later.
    for (const { clientId, sequence } of writes.answersDropped) {
      bytes += answerKey(writer, clientId, sequence).deleteFrom(batch);
      this.sequences.get(clientId)?.delete(sequence);
    }
    for (const clientId of writes.sessionsEnded) {
      bytes += sessionKey(writer, clientId).deleteFrom(batch);
      for (const sequence of this.sequences.get(clientId) ?? []) {
        bytes += answerKey(writer, clientId, sequence).deleteFrom(batch);
      }
      this.sequences.delete(clientId);
    }
    for (const lease of writes.leases) bytes += writeLease(writer, lease).putInto(batch).bytes;
    for (const leaseId of writes.leasesEnded) bytes += leaseKey(writer, leaseId).deleteFrom(batch);
    for (const key of writes.leaseKeysDetached) bytes += leaseKeyKey(writer, key).deleteFrom(batch);
    for (const key of writes.leaseKeysAttached) bytes += writeLeaseKey(writer, key).putInto(batch).bytes;
    for (const { id } of writes.namespacesDeleted) bytes += namespaceKey(writer, id).deleteFrom(batch);
    for (const ended of endedGenerations(writes)) bytes += writeEnded(writer, ended).putInto(batch).bytes;
    return bytes + this.putChanges(batch, writes.changes);
  }

  private putChanges(batch: ChainedBatch, changes: readonly Change[]): number {
    const { writer } = this;
    /** What earlier changes of this batch made of a key. */
    const changed = new Map<string, PreviousVersion>();
    let bytes = 0;
    for (const change of changes) {
      if (change.kind === "truncate") {
        bytes += writeRevision(writer, change, null).putInto(batch).bytes;
        continue;
      }
      const cacheKey = cacheKeyOf(change.namespaceId, change.generation, keyOfChange(change));
      const previous = changed.get(cacheKey) ?? this.newest.known(cacheKey);
      const valueBytes = change.kind === "put" ? change.record.value.length : 0;
      changed.set(cacheKey, { modRevision: change.revision, valueBytes });
      bytes += writeRevision(writer, change, previous).putInto(batch).bytes;
      bytes += writeNewest(writer, change).putInto(batch).bytes;
      bytes += writeVersion(writer, change).putInto(batch).bytes;
    }
    return bytes;
  }

  private noteAnswer(clientId: number, sequence: number): void {
    const sequences = this.sequences.get(clientId);
    if (sequences === undefined) this.sequences.set(clientId, new Set([sequence]));
    else sequences.add(sequence);
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
