import type { RecordRepair } from "#replica";
import { bytesEqual } from "#std";
import type { ChainedBatch, DatabaseSnapshot } from "./database";
import type { RecordSource } from "./record-source";
import { RecordWriter } from "./record-writer";
import { readRevisions } from "./revision-records";
import { ROW_BYTES_MAX } from "./revision-rows";
import { rangeOfHistoryFrom } from "./state-layout";
import { type ChainLink, linkAfter } from "./version-chain";
import {
  isApartOf,
  isPut,
  isRepaired,
  linkOf,
  modRevisionOf,
  type VersionChange,
  writeNewest,
  writeRepairedRow,
  writeValue,
} from "./version-records";

interface PreparedRepair {
  readonly repair: RecordRepair;
  /** The `newest` row of its key. */
  readonly stored: Uint8Array;
  /** Of the change that made the right version, where the history names it. */
  readonly link: ChainLink | null;
}

/**
 * Puts records right as newest versions. What is told of them stays as it is, and so do versions that were wrong: the
 * history names them, so they stay in the row that takes their place. So what is read at an older revision may still be
 * what it was.
 */
export class RecordRepairs {
  private readonly writer = new RecordWriter();
  private readonly rowWriter = new RecordWriter();

  constructor(private readonly source: RecordSource) {}

  /** Nothing may be written between this and putInto(). */
  async prepared(
    repairs: readonly RecordRepair[],
    snapshot: DatabaseSnapshot,
  ): Promise<readonly PreparedRepair[]> {
    const rows = await this.source.newestRows(repairs, snapshot);
    const prepared: PreparedRepair[] = [];
    for (const [at, repair] of repairs.entries()) {
      const link =
        repair.record === null ? null : await this.linkOf(repair, repair.record.modRevision, snapshot);
      prepared.push({ repair, stored: rows[at] as Uint8Array, link });
    }
    return prepared;
  }

  /** Returns the bytes put. */
  putInto(batch: ChainedBatch, repairs: readonly PreparedRepair[]): number {
    let bytes = 0;
    for (const { repair, stored, link } of repairs) {
      const { namespaceId, generation, key, record } = repair;
      const space = { namespaceId, generation };
      if (record !== null) {
        const change = { kind: "put", ...space, revision: record.modRevision, record } as const;
        bytes += this.put(batch, change, { before: stored, link });
      } else if (isPut(stored)) {
        const change = { kind: "delete", ...space, revision: modRevisionOf(stored), key } as const;
        bytes += this.put(batch, change, { before: stored, link });
      }
    }
    return bytes;
  }

  private put(
    batch: ChainedBatch,
    change: VersionChange,
    place: { readonly before: Uint8Array; readonly link: ChainLink | null },
  ): number {
    const { row } = writeRepairedRow(this.rowWriter, change, place);
    let { bytes } = writeNewest(this.writer, change, row).putInto(batch);
    if (isApartOf(change) && !isRepaired(row)) bytes += writeValue(this.writer, change).putInto(batch).bytes;
    return bytes;
  }

  /** Where the put of a key at that revision stands among the key's changes; null where it is not told, or not any more. */
  private async linkOf(
    { namespaceId, generation, key }: RecordRepair,
    revision: number,
    snapshot: DatabaseSnapshot,
  ): Promise<ChainLink | null> {
    const chunks = this.source.rowChunks({
      ...rangeOfHistoryFrom(this.writer, namespaceId, { revision, ordinal: 0 }),
      rowsPerRead: 1,
      snapshot,
      highWaterMarkBytes: ROW_BYTES_MAX,
    });
    for await (const rows of chunks) {
      for (const [storedKey, value] of rows) {
        for (const change of readRevisions(this.source.checked(storedKey, value))) {
          if (change.revision > revision) return null;
          const isOfKey = change.generation === generation && bytesEqual(change.key, key);
          if (change.revision < revision || change.kind !== "put" || !isOfKey) continue;
          return linkAfter(linkOf(change.replaced), change);
        }
      }
    }
    return null;
  }
}
