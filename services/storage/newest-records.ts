import type { Change, KeyRead, StoredRecord } from "#kv";
import type { DatabaseHandle } from "./database-handle";
import type { GatheredWrites } from "./gathered-writes";
import { type KeySpace, keyHash, PROCESS_SEED } from "./key-hash";
import { RecordCache } from "./record-cache";
import type { RecordRuns } from "./record-runs";
import type { RecordSource } from "./record-source";
import { RecordWriter } from "./record-writer";
import { keyOfChange, type PreviousVersion } from "./revision-records";
import type { StateWriter } from "./state-writer";
import {
  type NewestVersion,
  readCachedNewest,
  readNewest,
  type VersionChange,
  withoutValue,
  writeNewestRow,
} from "./version-records";

/**
 * Reads records of keys through a cache of their newest versions, which writes keep up to date; and what is not cached
 * from what LevelDB does not have yet, or from LevelDB.
 */
export class NewestRecords {
  private readonly cache: RecordCache;
  private readonly rows = new RecordWriter();
  /** Counts completed writes: what was read before one must not be cached after it. */
  private writeCount = 0;

  constructor(
    private readonly handle: DatabaseHandle,
    private readonly source: RecordSource,
    private readonly writer: Pick<StateWriter, "newestOf" | "snapshot">,
    private readonly runs: Pick<RecordRuns, "noteChanged" | "clear">,
    cacheBytesMax: number,
  ) {
    this.cache = new RecordCache(cacheBytesMax);
  }

  /**
   * In the order of the reads; null where there was no such key at that revision. A record has its value only where
   * the read wants it. What is cached costs no turn of the event loop; the rest is fetched in one go.
   */
  async read(reads: readonly KeyRead[], revision: number): Promise<readonly (StoredRecord | null)[]> {
    const records: (StoredRecord | null)[] = [];
    const missedAt: number[] = [];
    for (let at = 0; at < reads.length; at += 1) {
      const found = this.inMemory(reads[at] as KeyRead, revision);
      records.push(found ?? null);
      if (found === undefined) missedAt.push(at);
    }
    if (missedAt.length === 0) return records;
    const misses = missedAt.map((at) => reads[at] as KeyRead);
    const loaded = await this.load(misses, revision);
    for (let miss = 0; miss < missedAt.length; miss += 1) {
      const record = asAsked(loaded[miss] as StoredRecord | null, misses[miss] as KeyRead);
      records[missedAt[miss] as number] = record;
    }
    return records;
  }

  /** Takes over what a batch changes, and adds it to what is gathered for LevelDB. */
  write(changes: readonly Change[], gathered: GatheredWrites): void {
    this.writeCount += 1;
    for (const change of changes) {
      if (change.kind === "truncate") {
        // The keys of a generation that ended are never read again, and leave the cache by themselves.
        gathered.addTold({ change, previous: null });
        continue;
      }
      const key = keyOfChange(change);
      const hash = keyHash(PROCESS_SEED, change, key);
      gathered.addChange(hash, change, this.previousOf(hash, change, key));
      this.cache.set(hash, change, key, writeNewestRow(this.rows, change).row);
      this.runs.noteChanged(change, key);
    }
  }

  /** Forgets keys whose newest version was put right behind the back of the changes. */
  noteRepaired(repaired: readonly (KeySpace & { readonly key: Uint8Array })[]): void {
    this.writeCount += 1;
    for (const each of repaired) this.cache.delete(keyHash(PROCESS_SEED, each, each.key), each, each.key);
    this.runs.clear();
  }

  /** What a change takes the place of, where that is in memory, as nearly always for a key that a command has just read. */
  private previousOf(hash: number, change: VersionChange, key: Uint8Array): PreviousVersion | null {
    const row = this.cache.peek(hash, change, key);
    const cached = row === null ? undefined : readCachedNewest(key, row, false);
    if (cached !== undefined) {
      return { modRevision: cached.modRevision, valueBytes: cached.record?.valueBytes ?? 0 };
    }
    const written = this.writer.newestOf(hash, change, key);
    if (written === undefined) return null;
    const valueBytes = written.kind === "put" ? written.record.value.length : 0;
    return { modRevision: written.revision, valueBytes };
  }

  /** Undefined where it is not in memory as the read wants it. */
  private inMemory(read: KeyRead, revision: number): StoredRecord | null | undefined {
    const { key } = read;
    const hash = keyHash(PROCESS_SEED, read, key);
    const row = this.cache.find(hash, read, key);
    const cached = row === null ? undefined : readCachedNewest(key, row, read.withValue);
    if (cached !== undefined) return cached.modRevision > revision ? undefined : cached.record;
    const written = this.writer.newestOf(hash, read, key);
    if (written === undefined || written.revision > revision) return undefined;
    return written.kind === "delete" ? null : asAsked(written.record, read);
  }

  private async load(reads: readonly KeyRead[], revision: number): Promise<readonly (StoredRecord | null)[]> {
    // Of them an older version is asked for, which LevelDB may not have either.
    const isWritten = reads.some((read) => this.isWritten(read));
    const now = isWritten ? null : this.source.newestRowsNow(reads);
    const found = now === null ? null : this.take(reads, now, revision);
    if (found !== null) return found;

    // Taken before anything else can run: all is read as of one moment, whatever is written or removed meanwhile.
    const { writeCount } = this;
    const snapshot = isWritten ? await this.writer.snapshot(revision) : this.handle.database.snapshot();
    try {
      const rows = await this.source.newestRows(reads, snapshot);
      const loaded: (StoredRecord | null)[] = [];
      for (let at = 0; at < reads.length; at += 1) {
        const read = reads[at] as KeyRead;
        const row = rows[at] as Uint8Array;
        const version = readNewest(read.key, row);
        if (version.modRevision > revision) {
          loaded.push(await this.source.versionAt(read, read.key, revision, snapshot));
          continue;
        }
        if (!isWritten && writeCount === this.writeCount) this.remember(read, row);
        loaded.push(version.record);
      }
      return loaded;
    } finally {
      await snapshot.close();
    }
  }

  /** The records of rows that were read just now, which are cached; null where one was changed after the revision. */
  private take(
    reads: readonly KeyRead[],
    rows: readonly Uint8Array[],
    revision: number,
  ): readonly (StoredRecord | null)[] | null {
    const versions: NewestVersion[] = [];
    for (let at = 0; at < reads.length; at += 1) {
      const version = readNewest((reads[at] as KeyRead).key, rows[at] as Uint8Array);
      if (version.modRevision > revision) return null;
      versions.push(version);
    }
    for (let at = 0; at < reads.length; at += 1) this.remember(reads[at] as KeyRead, rows[at] as Uint8Array);
    return versions.map(({ record }) => record);
  }

  /** Keeps what was read as of now in the cache. */
  private remember(read: KeyRead, row: Uint8Array): void {
    this.cache.set(keyHash(PROCESS_SEED, read, read.key), read, read.key, row);
  }

  private isWritten(read: KeyRead): boolean {
    return this.writer.newestOf(keyHash(PROCESS_SEED, read, read.key), read, read.key) !== undefined;
  }
}

function asAsked(record: StoredRecord | null, read: KeyRead): StoredRecord | null {
  return record === null || read.withValue ? record : withoutValue(record);
}
