import type { RecordRepair } from "#replica";
import type { ChainedBatch } from "./database";
import type { RecordSource } from "./record-source";
import { RecordWriter } from "./record-writer";
import { newestKey, versionKey } from "./state-layout";
import { type VersionChange, writeNewest, writeVersion } from "./version-records";

/** What of a key that is to be put right is in the way. */
interface PreparedRepair {
  readonly repair: RecordRepair;
  /** Where a record is put, the versions that are newer; else the two newest. The newest first. */
  readonly revisions: readonly number[];
}

/** Puts records right as newest versions. What is told of them, and what they were before, stays as it is. */
export class RecordRepairs {
  private readonly writer = new RecordWriter();

  constructor(private readonly source: RecordSource) {}

  /** Nothing may be written between this and putInto(). */
  async prepared(repairs: readonly RecordRepair[]): Promise<readonly PreparedRepair[]> {
    const prepared: PreparedRepair[] = [];
    for (const repair of repairs) {
      const { key, record } = repair;
      const limit = record === null ? 2 : Number.POSITIVE_INFINITY;
      const newerThan = record?.modRevision ?? 0;
      prepared.push({ repair, revisions: await this.source.versionsOf(repair, key, { newerThan, limit }) });
    }
    return prepared;
  }

  /** Returns the bytes put. */
  putInto(batch: ChainedBatch, repairs: readonly PreparedRepair[]): number {
    let bytes = 0;
    for (const { repair, revisions } of repairs) bytes += this.putRepair(batch, repair, revisions);
    return bytes;
  }

  private putRepair(batch: ChainedBatch, repair: RecordRepair, revisions: readonly number[]): number {
    const { namespaceId, generation, key, record } = repair;
    const space = { namespaceId, generation };
    if (record !== null) {
      let bytes = 0;
      for (const revision of revisions) bytes += this.removeVersion(batch, repair, revision);
      return bytes + this.put(batch, { kind: "put", ...space, revision: record.modRevision, record });
    }
    const [newest = 0, older] = revisions;
    // What the key was before stays readable, so where there is that, a deletion takes the place of the newest.
    if (older !== undefined) return this.put(batch, { kind: "delete", ...space, revision: newest, key });
    const bytes = newestKey(this.writer, namespaceId, generation, key).deleteFrom(batch);
    return bytes + this.removeVersion(batch, repair, newest);
  }

  private put(batch: ChainedBatch, change: VersionChange): number {
    const { bytes } = writeNewest(this.writer, change).putInto(batch);
    return bytes + writeVersion(this.writer, change).putInto(batch).bytes;
  }

  private removeVersion(
    batch: ChainedBatch,
    { namespaceId, generation, key }: RecordRepair,
    revision: number,
  ): number {
    return versionKey(this.writer, namespaceId, generation, key, revision).deleteFrom(batch);
  }
}
