import type { Change, KeyRead, StoredRecord } from "#kv";
import { EMPTY_BYTES } from "#std";
import type { DatabaseHandle } from "./database-handle";
import type { GatheredWrites } from "./gathered-writes";
import { cachedOf, cacheKeyOf, RecordCache, recordOf } from "./record-cache";
import type { RecordSource } from "./record-source";
import { keyOfChange, type PreviousVersion } from "./revision-records";
import type { StateWriter } from "./state-writer";
import { type NewestVersion, type VersionChange, withoutValue } from "./version-records";

/**
 * Reads records of keys through a cache of their newest versions, which writes keep up to date; and what is not cached
 * from what LevelDB does not have yet, or from LevelDB.
 */
export class NewestRecords {
  private readonly cache: RecordCache;
  /** Counts completed writes: what was read before one must not be cached after it. */
  private writeCount = 0;

  constructor(
    private readonly handle: DatabaseHandle,
    private readonly source: RecordSource,
    private readonly writer: Pick<StateWriter, "newestOf" | "snapshot">,
    cacheBytesMax: number,
  ) {
    this.cache = new RecordCache(cacheBytesMax);
  }

  /**
   * In the order of the reads; null where there was no such key at that revision. A record has its value only where
   * the read wants it. What is cached costs no turn of the event loop; the rest is fetched in one go.
   *
   * @param cacheKeys of the reads, in their order
   */
  async read(
    reads: readonly KeyRead[],
    cacheKeys: readonly string[],
    revision: number,
  ): Promise<readonly (StoredRecord | null)[]> {
    const records: (StoredRecord | null)[] = [];
    const missedAt: number[] = [];
    for (let at = 0; at < reads.length; at += 1) {
      const found = this.cached(reads[at] as KeyRead, cacheKeys[at] as string, revision);
      records.push(found ?? null);
      if (found === undefined) missedAt.push(at);
    }
    if (missedAt.length === 0) return records;
    const misses = missedAt.map((at) => reads[at] as KeyRead);
    const missedKeys = missedAt.map((at) => cacheKeys[at] as string);
    const loaded = await this.load(misses, missedKeys, revision);
    for (const [miss, at] of missedAt.entries()) {
      records[at] = asAsked(loaded[miss] as StoredRecord | null, misses[miss] as KeyRead);
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
      const cacheKey = cacheKeyOf(change.namespaceId, change.generation, keyOfChange(change));
      gathered.addChange(cacheKey, change, this.known(cacheKey));
      this.keep(cacheKey, change);
    }
  }

  /** Forgets keys whose newest version was put right behind the back of the changes. */
  noteRepaired(cacheKeys: readonly string[]): void {
    this.writeCount += 1;
    for (const cacheKey of cacheKeys) this.cache.delete(cacheKey);
  }

  /** What a change takes the place of, where that is in memory, as nearly always for a key that a command has just read. */
  private known(cacheKey: string): PreviousVersion | null {
    const cached = this.cache.get(cacheKey);
    if (cached !== undefined) return cached;
    const written = this.writer.newestOf(cacheKey);
    if (written === undefined) return null;
    const valueBytes = written.kind === "put" ? written.record.value.length : 0;
    return { modRevision: written.revision, valueBytes };
  }

  private keep(cacheKey: string, change: VersionChange): void {
    const { revision: modRevision } = change;
    if (change.kind === "delete") {
      this.cache.set(cacheKey, cachedOf({ modRevision, record: null }), null);
      return;
    }
    const { value, createRevision, version, leaseId } = change.record;
    const valueBytes = value.length;
    this.cache.set(
      cacheKey,
      { modRevision, isThere: true, valueBytes, createRevision, version, leaseId },
      value,
    );
  }

  /** Undefined where it is not in memory as the read wants it. */
  private cached(read: KeyRead, cacheKey: string, revision: number): StoredRecord | null | undefined {
    const cached = this.cache.get(cacheKey);
    if (cached !== undefined) {
      if (cached.modRevision > revision) return undefined;
      if (!cached.isThere) return null;
      const value = read.withValue ? this.cache.value(cacheKey) : EMPTY_BYTES;
      if (value !== undefined) return recordOf(read.key, cached, value);
    }
    const written = this.writer.newestOf(cacheKey);
    if (written === undefined || written.revision > revision) return undefined;
    return written.kind === "delete" ? null : asAsked(written.record, read);
  }

  private async load(
    reads: readonly KeyRead[],
    cacheKeys: readonly string[],
    revision: number,
  ): Promise<readonly (StoredRecord | null)[]> {
    // Of them an older version is asked for, which LevelDB may not have either.
    const isWritten = cacheKeys.some((cacheKey) => this.writer.newestOf(cacheKey) !== undefined);
    const now = isWritten ? null : this.source.newestNow(reads, revision);
    if (now !== null) {
      for (const [at, version] of now.entries()) {
        this.remember(reads[at] as KeyRead, cacheKeys[at] as string, version);
      }
      return now.map(({ record }) => record);
    }

    // Taken before anything else can run: all is read as of one moment, whatever is written or removed meanwhile.
    const { writeCount } = this;
    const snapshot = isWritten ? await this.writer.snapshot(revision) : this.handle.database.snapshot();
    try {
      const newest = await this.source.newest(reads, snapshot);
      const loaded: (StoredRecord | null)[] = [];
      for (const [at, version] of newest.entries()) {
        const read = reads[at] as KeyRead;
        if (version.modRevision > revision) {
          loaded.push(await this.source.versionAt(read, read.key, revision, snapshot));
          continue;
        }
        if (!isWritten && writeCount === this.writeCount) {
          this.remember(read, cacheKeys[at] as string, version);
        }
        loaded.push(version.record);
      }
      return loaded;
    } finally {
      await snapshot.close();
    }
  }

  /** Keeps what was read as of now in the cache. */
  private remember(read: KeyRead, cacheKey: string, version: NewestVersion): void {
    const value = read.withValue ? (version.record?.value ?? null) : null;
    this.cache.set(cacheKey, cachedOf(version), value);
  }
}

function asAsked(record: StoredRecord | null, read: KeyRead): StoredRecord | null {
  return record === null || read.withValue ? record : withoutValue(record);
}
