import type { RecordRepair } from "#replica";
import type { ChainedBatch, DatabaseSnapshot } from "./database";
import type { RecordSource } from "./record-source";
import { RecordWriter } from "./record-writer";
import { type NewestVersion, writeNewest, writeVersion } from "./version-records";

/** With what is stored of its key. */
interface PreparedRepair {
  readonly repair: RecordRepair;
  readonly stored: NewestVersion;
}

/**
 * Puts records right as newest versions. What is told of them stays as it is, and so do versions that were wrong: the
 * history names them. So what is read at an older revision may still be what it was.
 */
export class RecordRepairs {
  private readonly writer = new RecordWriter();

  constructor(private readonly source: RecordSource) {}

  /** Nothing may be written between this and putInto(). */
  async prepared(
    repairs: readonly RecordRepair[],
    snapshot: DatabaseSnapshot,
  ): Promise<readonly PreparedRepair[]> {
    const newest = await this.source.newest(repairs, snapshot);
    return repairs.map((repair, at) => ({ repair, stored: newest[at] as NewestVersion }));
  }

  /** Returns the bytes put. */
  putInto(batch: ChainedBatch, repairs: readonly PreparedRepair[]): number {
    let bytes = 0;
    for (const { repair, stored } of repairs) {
      const { namespaceId, generation, key, record } = repair;
      const space = { namespaceId, generation };
      if (record !== null) {
        const change = { kind: "put", ...space, revision: record.modRevision, record } as const;
        bytes += writeNewest(this.writer, change).putInto(batch).bytes;
        bytes += writeVersion(this.writer, change).putInto(batch).bytes;
      } else if (stored.record !== null) {
        const change = { kind: "delete", ...space, revision: stored.modRevision, key } as const;
        bytes += writeNewest(this.writer, change).putInto(batch).bytes;
      }
    }
    return bytes;
  }
}
