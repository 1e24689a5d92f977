import type { KeyRead, StoredRecord } from "#kv";
import { EMPTY_BYTES } from "#std";
import type { DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { KeySpace } from "./key-hash";
import { checkedValue, RecordWriter } from "./record-writer";
import type { PreviousVersion } from "./revision-records";
import {
  type KeyRange,
  NEWEST_PREFIX_BYTES,
  newestKey,
  rangeOfNewest,
  rangeOfVersions,
  versionKey,
} from "./state-layout";
import { type NewestVersion, readNewest, readVersion, revisionOfVersionKey } from "./version-records";

/** Up to so many keys synchronous reads (3 to 15 us each) are cheaper than a turn of the thread pool. */
const SYNC_READS_MAX = 48;

/** A version by its place. */
export interface VersionId {
  readonly key: Uint8Array;
  readonly modRevision: number;
}

/** Reads records of keys from the database and verifies each; what fails its checksum ends the handle. */
export class RecordSource {
  private readonly writer = new RecordWriter();

  constructor(private readonly handle: DatabaseHandle) {}

  /**
   * The `newest` rows of a few keys, read within this turn of the event loop, which is cheaper than one of the thread pool.
   * In the order of the reads, empty for a key that never was; null when they are too many.
   */
  newestRowsNow(reads: readonly KeyRead[]): readonly Uint8Array[] | null {
    if (reads.length > SYNC_READS_MAX) return null;
    this.handle.check();
    const rows: Uint8Array[] = [];
    for (const { namespaceId, generation, key } of reads) {
      const storedKey = newestKey(this.writer, namespaceId, generation, key).takeKey();
      rows.push(this.rowOf(storedKey, this.handle.get(storedKey)));
    }
    return rows;
  }

  /** The `newest` rows in the order of the keys, empty for a key that never was. */
  async newestRows(
    reads: readonly (KeySpace & { readonly key: Uint8Array })[],
    snapshot: DatabaseSnapshot,
  ): Promise<readonly Uint8Array[]> {
    const keys = reads.map(({ namespaceId, generation, key }) =>
      newestKey(this.writer, namespaceId, generation, key).takeKey(),
    );
    const stored = await this.handle.getMany(keys, snapshot);
    return keys.map((key, at) => this.rowOf(key, stored[at]));
  }

  /** In the order of the keys. */
  async newest(
    reads: readonly (KeySpace & { readonly key: Uint8Array })[],
    snapshot: DatabaseSnapshot,
  ): Promise<readonly NewestVersion[]> {
    const rows = await this.newestRows(reads, snapshot);
    return reads.map(({ key }, at) => readNewest(key, rows[at] as Uint8Array));
  }

  /** Versions that the history names. */
  async versions(
    versions: readonly (KeySpace & VersionId)[],
    snapshot: DatabaseSnapshot,
  ): Promise<readonly StoredRecord[]> {
    const keys = versions.map(({ namespaceId, generation, key, modRevision }) =>
      versionKey(this.writer, namespaceId, generation, key, modRevision).takeKey(),
    );
    const stored = await this.handle.getMany(keys, snapshot);
    return versions.map((version, at) => this.versionOf(version, keys[at] as Uint8Array, stored[at]));
  }

  /** The newest version that is not newer than `revision`, or null where the key was not there. */
  async versionAt(
    space: KeySpace,
    key: Uint8Array,
    revision: number,
    snapshot: DatabaseSnapshot,
  ): Promise<StoredRecord | null> {
    const range = rangeOfVersions(this.writer, space.namespaceId, space.generation, key, revision);
    const [row] = await this.rows({ ...range, limit: 1, snapshot });
    if (row === undefined) return null;
    const [storedKey, value] = row;
    return readVersion(key, revisionOfVersionKey(storedKey), this.checked(storedKey, value));
  }

  /** The version of a key that one of `revision` took the place of; its revision is 0 where there is none. */
  async versionIdBefore(space: KeySpace, key: Uint8Array, revision: number): Promise<PreviousVersion> {
    const { namespaceId, generation } = space;
    const range = rangeOfVersions(this.writer, namespaceId, generation, key, revision - 1);
    const [row] = await this.rows({ ...range, limit: 1 });
    if (row === undefined) return { modRevision: 0, valueBytes: 0 };
    const [storedKey, value] = row;
    return { modRevision: revisionOfVersionKey(storedKey), valueBytes: value.length };
  }

  /** Whether the newest that there is of a key is its deletion at that revision. Reads within this turn. */
  isDeletedAt({ namespaceId, generation }: KeySpace, key: Uint8Array, revision: number): boolean {
    const storedKey = newestKey(this.writer, namespaceId, generation, key).takeKey();
    const newest = readNewest(key, this.rowOf(storedKey, this.handle.get(storedKey)));
    return newest.record === null && newest.modRevision === revision;
  }

  /** Opens an iterator over the `newest` records of a range. */
  newestIterator(
    range: KeySpace & { readonly start: Uint8Array; readonly end: Uint8Array | null },
    options: {
      readonly reverse: boolean;
      readonly snapshot: DatabaseSnapshot;
      readonly bytesPerRead: number;
    },
  ) {
    return this.handle.database.iterator({
      ...rangeOfNewest(this.writer, range),
      reverse: options.reverse,
      snapshot: options.snapshot,
      highWaterMarkBytes: options.bytesPerRead,
    });
  }

  decodeNewest([storedKey, value]: readonly [Uint8Array, Uint8Array]): NewestVersion & {
    readonly key: Uint8Array;
  } {
    const { buffer, byteOffset, length } = storedKey;
    const key = new Uint8Array(buffer, byteOffset + NEWEST_PREFIX_BYTES, length - NEWEST_PREFIX_BYTES);
    const { modRevision, record } = readNewest(key, this.checked(storedKey, value));
    return { modRevision, record, key };
  }

  /** The first `limit` rows of a range, or fewer where they come to more than so many bytes. */
  async rows(
    options: KeyRange & {
      readonly limit: number;
      readonly snapshot?: DatabaseSnapshot;
      readonly highWaterMarkBytes?: number;
    },
  ): Promise<[Uint8Array, Uint8Array][]> {
    this.handle.check();
    const iterator = this.handle.database.iterator(options);
    try {
      const rows = await iterator.nextv(options.limit);
      this.handle.check();
      return rows;
    } catch (error) {
      throw this.handle.fault("could not be read", error);
    } finally {
      await iterator.close();
    }
  }

  /** The rows of a range, so many at a time, or fewer where they come to more than so many bytes. */
  async *rowChunks(
    options: KeyRange & {
      readonly rowsPerRead: number;
      readonly snapshot: DatabaseSnapshot;
      readonly highWaterMarkBytes: number;
    },
  ): AsyncGenerator<[Uint8Array, Uint8Array][]> {
    const { rowsPerRead, ...range } = options;
    this.handle.check();
    const iterator = this.handle.database.iterator(range);
    try {
      for (;;) {
        const rows = await iterator.nextv(rowsPerRead);
        this.handle.check();
        if (rows.length === 0) return;
        yield rows;
      }
    } catch (error) {
      throw this.handle.fault("could not be read", error);
    } finally {
      await iterator.close();
    }
  }

  /** A stored value without its checksum, which it bears out. */
  checked(key: Uint8Array, stored: Uint8Array): Uint8Array {
    const value = checkedValue(key, stored);
    if (value === null) throw this.handle.damaged("the checksum of a record does not match");
    return value;
  }

  private rowOf(storedKey: Uint8Array, stored: Uint8Array | undefined): Uint8Array {
    return stored === undefined ? EMPTY_BYTES : this.checked(storedKey, stored);
  }

  private versionOf(
    { key, modRevision }: VersionId,
    storedKey: Uint8Array,
    stored: Uint8Array | undefined,
  ): StoredRecord {
    const record =
      stored === undefined ? null : readVersion(key, modRevision, this.checked(storedKey, stored));
    if (record === null)
      throw this.handle.damaged(`the version of a key at revision ${modRevision} is missing`);
    return record;
  }
}
