import { type KeyRead, type StoredRecord, withBytes } from "#kv";
import type { DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { KeySpace } from "./key-hash";
import type { RecordSource } from "./record-source";
import type { StateWriter } from "./state-writer";
import { modRevisionOf, readVersion, type Version } from "./version-records";
import { versionsAt } from "./versions-at";

/** In the order of the reads; null where there was no such key. */
export type Found = readonly (StoredRecord | null)[];

/** Reads whose answers are not in memory, and the keyHash of each: it takes 0.6 us for a long key. */
export interface Misses {
  readonly reads: readonly KeyRead[];
  readonly hashes: readonly number[];
}

/** The newest rows that are kept in memory, as who reads others needs them. */
export interface CachedRows {
  /** Counts completed writes: what was read before one must not be cached after it. */
  writeCount(): number;
  /** Keeps what was read as of now. */
  remember(hash: number, read: KeyRead, row: Uint8Array): void;
}

/** Reads from LevelDB, and what it does not have yet, the records that are not in memory, and has them kept there. */
export class MissedRecords {
  constructor(
    private readonly handle: DatabaseHandle,
    private readonly source: RecordSource,
    private readonly writer: Pick<StateWriter, "newestOf" | "snapshot">,
    private readonly cached: CachedRows,
  ) {}

  /** null where they are too many, or some of them older versions. */
  loadNow(misses: Misses, revision: number): Found | null {
    if (this.areWritten(misses)) return null;
    const rows = this.source.newestRowsNow(misses.reads);
    return rows === null ? null : this.take(misses, rows, revision);
  }

  async load(misses: Misses, revision: number): Promise<Found> {
    const { reads, hashes } = misses;
    const isWritten = this.areWritten(misses);
    // Taken before anything else can run: all is read as of one moment, whatever is written or removed meanwhile.
    const writeCount = this.cached.writeCount();
    const snapshot = isWritten ? await this.writer.snapshot(revision) : this.handle.database.snapshot();
    try {
      const rows = await this.source.newestRows(reads, snapshot);
      const loaded: (StoredRecord | null)[] = [];
      for (const positions of bySpace(reads)) {
        const found = await this.versionsOf(reads, rows, { positions, revision, snapshot });
        // Asked now: what is written while older versions are looked for counts too.
        const isOfNow = !isWritten && writeCount === this.cached.writeCount();
        for (let next = 0; next < positions.length; next += 1) {
          const at = positions[next] as number;
          const row = rows[at] as Uint8Array;
          loaded[at] = (found[next] as Version).record;
          if (isOfNow && modRevisionOf(row) <= revision)
            this.cached.remember(hashes[at] as number, reads[at] as KeyRead, row);
        }
      }
      return loaded;
    } finally {
      await snapshot.close();
    }
  }

  /** What the keys of some reads of one generation were at a revision. @param rows `newest` ones, of all reads */
  private async versionsOf(
    reads: readonly KeyRead[],
    rows: readonly Uint8Array[],
    {
      positions,
      revision,
      snapshot,
    }: {
      readonly positions: readonly number[];
      readonly revision: number;
      readonly snapshot: DatabaseSnapshot;
    },
  ): Promise<readonly Version[]> {
    const { handle, source } = this;
    const { namespaceId, generation } = reads[positions[0] as number] as KeyRead;
    const newest = positions.map((at) => ({ key: (reads[at] as KeyRead).key, row: rows[at] as Uint8Array }));
    const query = { namespaceId, generation, revision };
    const versions = await versionsAt({ handle, source, snapshot }, query, newest);
    // Nobody asks for a few with and a few without them.
    const withValues = positions.some((at) => (reads[at] as KeyRead).withValue);
    return withValues ? source.withValues(query, versions, snapshot) : versions;
  }

  /** The records of rows that were read just now, which are cached; null where one was changed after the revision. */
  private take(
    { reads, hashes }: Misses,
    rows: readonly Uint8Array[],
    revision: number,
  ): readonly (StoredRecord | null)[] | null {
    const versions: Version[] = [];
    for (let at = 0; at < reads.length; at += 1) {
      const read = reads[at] as KeyRead;
      const version = readVersion(read.key, rows[at] as Uint8Array);
      if (version.modRevision > revision) return null;
      versions.push(read.withValue ? this.withValueNow(read, version) : version);
    }
    for (let at = 0; at < reads.length; at += 1) {
      this.cached.remember(hashes[at] as number, reads[at] as KeyRead, rows[at] as Uint8Array);
    }
    return versions.map(({ record }) => record);
  }

  private withValueNow(space: KeySpace, version: Version): Version {
    const { isApart, record } = version;
    if (!isApart || record === null) return version;
    const value = this.source.valueNow(space, record.key, record.modRevision);
    return { ...version, record: withBytes(record, record.key, value), isApart: false };
  }

  /** Whether of some of them an older version is asked for, which LevelDB may not have either. */
  private areWritten({ reads, hashes }: Misses): boolean {
    return reads.some((read, at) => this.writer.newestOf(hashes[at] as number, read, read.key) !== undefined);
  }
}

/** The positions of the reads of each generation; mostly there is one. */
function bySpace(reads: readonly KeyRead[]): Iterable<readonly number[]> {
  const positions = new Map<string, number[]>();
  for (const [at, { namespaceId, generation }] of reads.entries()) {
    const name = `${namespaceId}/${generation}`;
    const ofSpace = positions.get(name);
    if (ofSpace === undefined) positions.set(name, [at]);
    else ofSpace.push(at);
  }
  return positions.values();
}
