import { byteKey } from "#kv";
import type { RecordRepair } from "#replica";
import { bytesEqual } from "#std";
import type { ChainedBatch, DatabaseSnapshot } from "./database";
import type { RecordSource } from "./record-source";
import { RecordWriter } from "./record-writer";
import { readRevisions } from "./revision-records";
import { ROW_BYTES_MAX } from "./revision-rows";
import { rangeOfHistoryFrom } from "./state-layout";
import { type ChainLink, comparePlaces, linkAfter } from "./version-chain";
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

/** Of up to 64 changes each: so many are read in half a second at most, in which nothing is applied. */
const ROWS_SEARCHED_MAX = 4096;
const ROWS_PER_READ = 16;

interface PreparedRepair {
  readonly repair: RecordRepair;
  /** The `newest` row of its key. */
  readonly stored: Uint8Array;
  /** Of the change that made the right version, or deleted the key, where the history names it. */
  readonly link: ChainLink | null;
}

/** A key that is to be deleted, and where the version stands that is there instead. */
interface LostDeletion {
  readonly repair: RecordRepair;
  readonly present: ChainLink;
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
    const deletions = await this.deletionsOf(repairs, rows, snapshot);
    const prepared: PreparedRepair[] = [];
    for (const [at, repair] of repairs.entries()) {
      const link =
        repair.record === null
          ? (deletions.get(repair) ?? null)
          : await this.linkOf(repair, repair.record.modRevision, snapshot);
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
        const revision = link?.revision ?? modRevisionOf(stored);
        const change = { kind: "delete", ...space, revision, key } as const;
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

  /** Where deletions stand that were told of keys which are there, and must not be. */
  private async deletionsOf(
    repairs: readonly RecordRepair[],
    rows: readonly Uint8Array[],
    snapshot: DatabaseSnapshot,
  ): Promise<ReadonlyMap<RecordRepair, ChainLink>> {
    const lostOf = new Map<number, LostDeletion[]>();
    for (const [at, repair] of repairs.entries()) {
      const stored = rows[at] as Uint8Array;
      if (repair.record !== null || !isPut(stored)) continue;
      const lost = { repair, present: linkOf(stored) };
      const ofNamespace = lostOf.get(repair.namespaceId);
      if (ofNamespace === undefined) lostOf.set(repair.namespaceId, [lost]);
      else ofNamespace.push(lost);
    }
    const found = new Map<RecordRepair, ChainLink>();
    for (const [namespaceId, lost] of lostOf)
      await this.findDeletions(namespaceId, lost, { found, snapshot });
    return found;
  }

  /** From the newest change back, for the last one of a key alone says whether it is there. */
  private async findDeletions(
    namespaceId: number,
    lost: readonly LostDeletion[],
    {
      found,
      snapshot,
    }: { readonly found: Map<RecordRepair, ChainLink>; readonly snapshot: DatabaseSnapshot },
  ): Promise<void> {
    const sought = new Map(lost.map((each) => [nameOf(each.repair), each]));
    const oldest = lost.map(({ present }) => present).reduce(older);
    const chunks = this.source.rowChunks({
      ...rangeOfHistoryFrom(this.writer, namespaceId, oldest),
      reverse: true,
      rowsPerRead: ROWS_PER_READ,
      snapshot,
      highWaterMarkBytes: ROWS_PER_READ * ROW_BYTES_MAX,
    });
    let rowsLeft = ROWS_SEARCHED_MAX;
    for await (const rows of chunks) {
      for (const [storedKey, value] of rows) {
        for (const change of readRevisions(this.source.checked(storedKey, value)).toReversed()) {
          if (change.kind === "truncate") continue;
          const name = nameOf(change);
          const lastOf = sought.get(name);
          if (lastOf === undefined) continue;
          sought.delete(name);
          if (change.kind !== "delete" || comparePlaces(change, lastOf.present) <= 0) continue;
          found.set(lastOf.repair, linkAfter(linkOf(change.replaced), change));
        }
      }
      rowsLeft -= rows.length;
      if (sought.size === 0 || rowsLeft <= 0) return;
    }
  }
}

function nameOf({ generation, key }: { readonly generation: number; readonly key: Uint8Array }): string {
  return `${generation}/${byteKey(key)}`;
}

function older(left: ChainLink, right: ChainLink): ChainLink {
  return comparePlaces(left, right) <= 0 ? left : right;
}
