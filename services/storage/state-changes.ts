import type { Change, StateWrites } from "#kv";
import type { AnswerRows } from "./answer-rows";
import type { ChainedBatch } from "./database";
import { type NewestRecords, previousOf } from "./newest-records";
import { cacheKeyOf } from "./record-cache";
import { RecordWriter } from "./record-writer";
import { keyOfChange } from "./revision-records";
import { RevisionRows } from "./revision-rows";
import { leaseKey, leaseKeyKey, namespaceKey, sessionKey } from "./state-layout";
import {
  type EndedGeneration,
  writeEnded,
  writeLease,
  writeLeaseKey,
  writeMembership,
  writeNamespace,
  writeSession,
} from "./state-records";
import { writeNewest, writeVersion } from "./version-records";
import type { WrittenKeys } from "./write-behind";

/** Turns what a batch of commands did into records, all but the head. */
export class StateChanges {
  private readonly writer = new RecordWriter();
  private readonly revisions = new RevisionRows();

  /** @param newest what a change takes the place of is mostly known from it */
  constructor(
    private readonly answers: AnswerRows,
    private readonly newest: NewestRecords,
  ) {}

  /** Notes in `written` what became of keys. @returns the bytes put */
  putInto(batch: ChainedBatch, writes: StateWrites, written: WrittenKeys): number {
    const { writer } = this;
    let bytes = 0;
    for (const namespace of writes.namespaces)
      bytes += writeNamespace(writer, namespace).putInto(batch).bytes;
    if (writes.membership !== null) bytes += writeMembership(writer, writes.membership).putInto(batch).bytes;
    for (const session of writes.sessions) bytes += writeSession(writer, session).putInto(batch).bytes;
    // Removals come last: of two operations on a key in one batch LevelDB keeps the later.
    for (const clientId of writes.sessionsEnded) bytes += sessionKey(writer, clientId).deleteFrom(batch);
    bytes += this.answers.putInto(batch, writes);
    for (const lease of writes.leases) bytes += writeLease(writer, lease).putInto(batch).bytes;
    for (const leaseId of writes.leasesEnded) bytes += leaseKey(writer, leaseId).deleteFrom(batch);
    for (const key of writes.leaseKeysDetached) bytes += leaseKeyKey(writer, key).deleteFrom(batch);
    for (const key of writes.leaseKeysAttached) bytes += writeLeaseKey(writer, key).putInto(batch).bytes;
    for (const { id } of writes.namespacesDeleted) bytes += namespaceKey(writer, id).deleteFrom(batch);
    for (const ended of endedGenerations(writes)) bytes += writeEnded(writer, ended).putInto(batch).bytes;
    return bytes + this.putChanges(batch, writes.changes, written);
  }

  private putChanges(batch: ChainedBatch, changes: readonly Change[], written: WrittenKeys): number {
    const { writer, revisions } = this;
    let bytes = 0;
    for (const change of changes) {
      if (change.kind === "truncate") {
        bytes += revisions.add(batch, { change, previous: null });
        continue;
      }
      const cacheKey = cacheKeyOf(change.namespaceId, change.generation, keyOfChange(change));
      const before = written.get(cacheKey);
      const previous = before === undefined ? this.newest.known(cacheKey) : previousOf(before);
      written.set(cacheKey, change);
      bytes += revisions.add(batch, { change, previous });
      bytes += writeNewest(writer, change).putInto(batch).bytes;
      bytes += writeVersion(writer, change).putInto(batch).bytes;
    }
    return bytes + revisions.finish(batch);
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
