import type { Change, KeyRead, StoredRecord } from "#kv";
import { EMPTY_BYTES } from "#std";
import type { DatabaseHandle } from "./database-handle";
import { ownBytes } from "./own-bytes";
import { type CachedVersion, cacheKeyOf, RecordCache } from "./record-cache";
import type { RecordSource } from "./record-source";
import type { PreviousVersion } from "./revision-records";
import { type NewestVersion, withoutValue } from "./version-records";

/** Reads records of keys through a cache of their newest versions, which writes keep up to date. */
export class NewestRecords {
  private readonly cache: RecordCache;
  /** Counts completed writes: what was read before one must not be cached after it. */
  private writeCount = 0;

  constructor(
    private readonly handle: DatabaseHandle,
    private readonly source: RecordSource,
    cacheBytesMax: number,
  ) {
    this.cache = new RecordCache(cacheBytesMax);
  }

  /**
   * In the order of the reads; null where there was no such key at that revision. A record has its value only where
   * the read wants it. What is cached costs no turn of the event loop; the rest is fetched in one go.
   */
  async read(reads: readonly KeyRead[], revision: number): Promise<readonly (StoredRecord | null)[]> {
    const records: (StoredRecord | null)[] = new Array(reads.length).fill(null);
    const misses: KeyRead[] = [];
    const missedAt: number[] = [];
    for (let at = 0; at < reads.length; at += 1) {
      const read = reads[at] as KeyRead;
      const cached = this.cache.get(cacheKeyOf(read.namespaceId, read.generation, read.key));
      if (cached !== undefined && cached.modRevision <= revision && (cached.hasValue || !read.withValue)) {
        records[at] = asAsked(cached.record, read);
      } else {
        misses.push(read);
        missedAt.push(at);
      }
    }
    if (misses.length === 0) return records;
    const loaded = await this.load(misses, revision);
    for (const [miss, at] of missedAt.entries()) {
      records[at] = asAsked(loaded[miss] as StoredRecord | null, misses[miss] as KeyRead);
    }
    return records;
  }

  /** The newest version of a key where it is cached, which is nearly always so for one that a command has just read. */
  known(cacheKey: string): PreviousVersion | null {
    const cached = this.cache.get(cacheKey);
    if (cached === undefined) return null;
    return { modRevision: cached.modRevision, valueBytes: cached.record?.valueBytes ?? 0 };
  }

  /** Takes over what a batch wrote, when it is written. */
  noteWritten(changes: readonly Change[]): void {
    this.writeCount += 1;
    for (const change of changes) {
      switch (change.kind) {
        case "put":
          this.remember(change, change.record.key, {
            modRevision: change.revision,
            record: { ...change.record, valueBytes: change.record.value.length },
            hasValue: true,
          });
          break;
        case "delete":
          this.remember(change, change.key, { modRevision: change.revision, record: null, hasValue: true });
          break;
        case "truncate":
          // The keys of a generation that ended are never read again, and leave the cache by themselves.
          break;
      }
    }
  }

  /** Forgets keys whose newest version was put right behind the back of the changes. */
  noteRepaired(cacheKeys: readonly string[]): void {
    this.writeCount += 1;
    for (const cacheKey of cacheKeys) this.cache.delete(cacheKey);
  }

  private async load(reads: readonly KeyRead[], revision: number): Promise<readonly (StoredRecord | null)[]> {
    const now = this.source.newestNow(reads, revision);
    if (now !== null) return now.map((version, at) => this.taken(reads[at] as KeyRead, version));

    // Taken before anything else can run: all is read as of one moment, whatever is written or removed meanwhile.
    const snapshot = this.handle.database.snapshot();
    const { writeCount } = this;
    try {
      const newest = await this.source.newest(reads, snapshot);
      const wanted = newest.flatMap((version, at) => {
        const read = reads[at] as KeyRead;
        if (version.record === null || version.modRevision > revision || !read.withValue) return [];
        return [{ ...read, modRevision: version.modRevision }];
      });
      const withValues = await this.source.versions(wanted, snapshot);
      const loaded: (StoredRecord | null)[] = [];
      let next = 0;
      for (const [at, version] of newest.entries()) {
        const read = reads[at] as KeyRead;
        if (version.modRevision > revision) {
          loaded.push(await this.source.versionAt(read, read.key, revision, snapshot));
          continue;
        }
        const isValueLoaded = version.record !== null && read.withValue;
        const record = isValueLoaded ? (withValues[next++] as StoredRecord) : version.record;
        if (writeCount === this.writeCount) this.taken(read, { ...version, record });
        loaded.push(record);
      }
      return loaded;
    } finally {
      await snapshot.close();
    }
  }

  /** Keeps what was read as of now in the cache. */
  private taken(read: KeyRead, version: NewestVersion): StoredRecord | null {
    const hasValue = version.record === null || read.withValue;
    this.remember(read, read.key, { ...version, hasValue });
    return version.record;
  }

  private remember(
    space: { readonly namespaceId: number; readonly generation: number },
    key: Uint8Array,
    version: CachedVersion,
  ): void {
    const { record } = version;
    const owned =
      record === null
        ? null
        : {
            ...record,
            key: ownBytes(record.key),
            value: version.hasValue ? ownBytes(record.value) : EMPTY_BYTES,
          };
    this.cache.set(cacheKeyOf(space.namespaceId, space.generation, key), { ...version, record: owned });
  }
}

function asAsked(record: StoredRecord | null, read: KeyRead): StoredRecord | null {
  return record === null || read.withValue ? record : withoutValue(record);
}
