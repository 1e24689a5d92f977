import type { AnswerRows } from "./answer-rows";
import type { ChainedBatch } from "./database";
import type { GatheredWrites } from "./gathered-writes";
import { RecordWriter } from "./record-writer";
import { leaseKey, leaseKeyKey, namespaceKey, sessionKey } from "./state-layout";
import {
  writeEnded,
  writeLease,
  writeLeaseKey,
  writeMembership,
  writeNamespace,
  writeSession,
} from "./state-records";

/** Turns what batches of commands did into rows, all but the head. */
export class StateChanges {
  private readonly writer = new RecordWriter();

  constructor(private readonly answers: AnswerRows) {}

  /** Returns the bytes put. */
  putInto(batch: ChainedBatch, gathered: GatheredWrites): number {
    const { writer } = this;
    let bytes = 0;
    for (const [id, namespace] of gathered.namespaces) {
      bytes +=
        namespace === null
          ? namespaceKey(writer, id).deleteFrom(batch)
          : writeNamespace(writer, namespace).putInto(batch).bytes;
    }
    if (gathered.membership !== null)
      bytes += writeMembership(writer, gathered.membership).putInto(batch).bytes;
    for (const [clientId, session] of gathered.sessions) {
      bytes +=
        session === null
          ? sessionKey(writer, clientId).deleteFrom(batch)
          : writeSession(writer, session).putInto(batch).bytes;
    }
    bytes += this.answers.putInto(batch, gathered);
    for (const [leaseId, lease] of gathered.leases) {
      bytes +=
        lease === null
          ? leaseKey(writer, leaseId).deleteFrom(batch)
          : writeLease(writer, lease).putInto(batch).bytes;
    }
    // Of two operations on a key in one batch LevelDB keeps the later.
    for (const { key, isAttached } of gathered.leaseKeys) {
      bytes += isAttached
        ? writeLeaseKey(writer, key).putInto(batch).bytes
        : leaseKeyKey(writer, key).deleteFrom(batch);
    }
    for (const ended of gathered.ended) bytes += writeEnded(writer, ended).putInto(batch).bytes;
    return bytes + gathered.rows.newest.putInto(batch) + gathered.rows.revisions.putInto(batch);
  }
}
