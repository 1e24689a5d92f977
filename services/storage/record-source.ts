import type { StoredRecord } from "#kv";
import type { DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import { checkedValue, RecordWriter } from "./record-writer";
import {
  type KeyRange,
  NEWEST_PREFIX_BYTES,
  newestKey,
  rangeOfNewest,
  rangeOfVersions,
  versionKey,
} from "./state-layout";
import { type NewestVersion, readNewest, readVersion, revisionOfVersionKey } from "./state-records";

/** Up to so many a synchronous read each (3 us) is cheaper than one turn of the thread pool, and blocks for less than 0.2 ms. */
const SYNC_READS_MAX = 48;

/** A version by its place. */
export interface VersionId {
  readonly key: Uint8Array;
  readonly modRevision: number;
}

/** A generation of a namespace. */
export interface KeySpace {
  readonly namespaceId: number;
  readonly generation: number;
}

/** Reads records of keys from the database and verifies each; what fails its checksum ends the handle. */
export class RecordSource {
  private readonly writer = new RecordWriter();

  constructor(private readonly handle: DatabaseHandle) {}

  /** In the order of the keys; null where there never was such a key. */
  async newest(
    reads: readonly (KeySpace & { readonly key: Uint8Array })[],
    snapshot: DatabaseSnapshot | null,
  ): Promise<readonly (NewestVersion | null)[]> {
    const keys = reads.map(({ namespaceId, generation, key }) =>
      newestKey(this.writer, namespaceId, generation, key).takeKey(),
    );
    const stored = await this.fetch(keys, snapshot);
    return stored.map((value, at) => {
      if (value === undefined) return null;
      const checked = this.checked(keys[at] as Uint8Array, value);
      return readNewest((reads[at] as { key: Uint8Array }).key, checked);
    });
  }

  /** Versions that a `newest` record names, with their values. */
  async versions(
    versions: readonly (KeySpace & VersionId)[],
    snapshot: DatabaseSnapshot | null,
  ): Promise<readonly StoredRecord[]> {
    const keys = versions.map(({ namespaceId, generation, key, modRevision }) =>
      versionKey(this.writer, namespaceId, generation, key, modRevision).takeKey(),
    );
    const stored = await this.fetch(keys, snapshot);
    return stored.map((value, at) => {
      const { key, modRevision } = versions[at] as VersionId;
      const record =
        value === undefined
          ? null
          : readVersion(key, modRevision, this.checked(keys[at] as Uint8Array, value));
      if (record === null) {
        throw this.handle.damaged(`the version of a key at revision ${modRevision} is missing`);
      }
      return record;
    });
  }

  /** The newest version that is not newer than `revision`, or null where the key was not there. */
  async versionAt(
    space: KeySpace,
    key: Uint8Array,
    revision: number,
    snapshot: DatabaseSnapshot | null,
  ): Promise<StoredRecord | null> {
    const range = rangeOfVersions(this.writer, space.namespaceId, space.generation, key, revision);
    const [row] = await this.rows({ ...range, limit: 1, ...(snapshot === null ? {} : { snapshot }) });
    if (row === undefined) return null;
    const [storedKey, value] = row;
    return readVersion(key, revisionOfVersionKey(storedKey), this.checked(storedKey, value));
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
    return { ...readNewest(key, this.checked(storedKey, value)), key };
  }

  private async rows(
    options: KeyRange & { readonly limit: number; readonly snapshot?: DatabaseSnapshot },
  ): Promise<[Uint8Array, Uint8Array][]> {
    this.handle.check();
    const iterator = this.handle.database.iterator(options);
    try {
      return await iterator.nextv(options.limit);
    } catch (error) {
      throw this.handle.fault("could not be read", error);
    } finally {
      await iterator.close();
    }
  }

  private async fetch(
    keys: Uint8Array[],
    snapshot: DatabaseSnapshot | null,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    this.handle.check();
    if (keys.length <= SYNC_READS_MAX) return keys.map((key) => this.handle.get(key, snapshot));
    return this.handle.getMany(keys, snapshot);
  }

  private checked(key: Uint8Array, stored: Uint8Array): Uint8Array {
    const value = checkedValue(key, stored);
    if (value === null) throw this.handle.damaged("the checksum of a record does not match");
    return value;
  }
}
