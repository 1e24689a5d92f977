import { type KeyRead, withBytes } from "#kv";
import { EMPTY_BYTES } from "#std";
import type { DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { KeySpace } from "./key-hash";
import { checkedValue, RecordWriter } from "./record-writer";
import { RevisionRowCache } from "./revision-row-cache";
import { type KeyRange, NEWEST_PREFIX_BYTES, newestKey, rangeOfNewest, valueKey } from "./state-layout";
import type { Version } from "./version-records";

/** Up to so many keys synchronous reads (3 to 15 us each) are cheaper than a turn of the thread pool. */
const SYNC_READS_MAX = 48;

/** Reads records of keys from the database and verifies each; what fails its checksum ends the handle. */
export class RecordSource {
  /** Those of what keys were before. */
  readonly revisionRows = new RevisionRowCache();
  private readonly writer = new RecordWriter();

  constructor(private readonly handle: DatabaseHandle) {}

  /**
   * The `newest` rows of a few keys, read within this turn of the event loop, which is cheaper than one of the thread pool.
   * In the order of the reads, empty for a key that never was; null when they are too many.
   */
  newestRowsNow(reads: readonly KeyRead[]): readonly Uint8Array[] | null {
    if (reads.length > SYNC_READS_MAX) return null;
    this.handle.check();
    return reads.map((read) => this.newestRowNow(read, read.key));
  }

  /** The same of one key. */
  newestRowNow({ namespaceId, generation }: KeySpace, key: Uint8Array): Uint8Array {
    const storedKey = newestKey(this.writer, namespaceId, generation, key).takeKey();
    return this.rowOf(storedKey, this.handle.get(storedKey));
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

  /** A value that lies apart, read within this turn. */
  valueNow({ namespaceId, generation }: KeySpace, key: Uint8Array, revision: number): Uint8Array {
    const storedKey = valueKey(this.writer, { namespaceId, generation, key, revision }).takeKey();
    return this.valueOf(storedKey, this.handle.get(storedKey));
  }

  /** The versions with the values of those whose lie apart, in their order. */
  async withValues(
    { namespaceId, generation }: KeySpace,
    versions: readonly Version[],
    snapshot: DatabaseSnapshot,
  ): Promise<readonly Version[]> {
    const storedKeys: Uint8Array[] = [];
    for (const { isApart, record } of versions) {
      if (!isApart || record === null) continue;
      const { key, modRevision: revision } = record;
      storedKeys.push(valueKey(this.writer, { namespaceId, generation, key, revision }).takeKey());
    }
    if (storedKeys.length === 0) return versions;
    const stored = await this.handle.getMany(storedKeys, snapshot);
    let next = 0;
    return versions.map((version) => {
      if (!version.isApart || version.record === null) return version;
      const value = this.valueOf(storedKeys[next] as Uint8Array, stored[next]);
      next += 1;
      return { ...version, record: withBytes(version.record, version.record.key, value), isApart: false };
    });
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

  decodeNewest([storedKey, value]: readonly [Uint8Array, Uint8Array]): {
    readonly key: Uint8Array;
    readonly row: Uint8Array;
  } {
    const { buffer, byteOffset, length } = storedKey;
    const key = new Uint8Array(buffer, byteOffset + NEWEST_PREFIX_BYTES, length - NEWEST_PREFIX_BYTES);
    return { key, row: this.checked(storedKey, value) };
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
      readonly reverse?: boolean;
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

  /** A row by its whole key, read within this turn; empty where there is none. */
  rowNow(storedKey: Uint8Array): Uint8Array {
    return this.rowOf(storedKey, this.handle.get(storedKey));
  }

  private rowOf(storedKey: Uint8Array, stored: Uint8Array | undefined): Uint8Array {
    return stored === undefined ? EMPTY_BYTES : this.checked(storedKey, stored);
  }

  private valueOf(storedKey: Uint8Array, stored: Uint8Array | undefined): Uint8Array {
    if (stored === undefined) throw this.handle.damaged("the value of a key is missing");
    return this.checked(storedKey, stored);
  }
}
