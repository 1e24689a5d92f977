import type { StoredRecord } from "#kv";
import type { RangeQuery } from "#replica";
import type { DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { NewestRecords } from "./newest-records";
import type { KeySpace, RecordSource, VersionId } from "./record-source";
import { withoutValue } from "./version-records";

/** Rows of the first read where nobody says how many are wanted: what is read past that is thrown away. */
const FIRST_ROWS = 64;
const ROWS_MAX = 1024;
/** What a record counts besides key and value. */
const RECORD_OVERHEAD_BYTES = 64;

/**
 * Goes through a range by the `newest` records, one a key, so that old versions cost nothing; only a key that was
 * changed after the revision asked for is looked up among its versions. One snapshot serves the whole scan. Values that are
 * in memory are not read.
 */
export async function* scanRange(
  parts: Omit<ScanParts, "snapshot" | "cache"> & { readonly cache: NewestRecords },
  query: RangeQuery,
  chunkBytesMax: number,
): AsyncGenerator<readonly StoredRecord[]> {
  parts.handle.check();
  const snapshot = parts.handle.database.snapshot();
  try {
    yield* scanSnapshot({ ...parts, snapshot }, query, chunkBytesMax);
  } finally {
    await snapshot.close();
  }
}

export interface ScanParts {
  readonly handle: DatabaseHandle;
  readonly source: RecordSource;
  readonly snapshot: DatabaseSnapshot;
  /** Left out where all is to be read as it is stored. */
  readonly cache?: NewestRecords;
}

/** The same as of a snapshot, which stays the caller's. */
export async function* scanSnapshot(
  parts: ScanParts,
  query: RangeQuery,
  chunkBytesMax: number,
): AsyncGenerator<readonly StoredRecord[]> {
  const { handle, source, snapshot } = parts;
  const iterator = source.newestIterator(query, {
    reverse: query.reverse,
    snapshot,
    bytesPerRead: chunkBytesMax,
  });
  let rowsWanted = Math.min(query.recordsWanted ?? FIRST_ROWS, ROWS_MAX);
  try {
    for (;;) {
      const rows = await nextRows(handle, iterator, rowsWanted);
      if (rows.length === 0) return;
      const versions = await versionsAt(source, query, rows, snapshot);
      for (let from = 0; from < versions.length; ) {
        const to = chunkEnd(versions, from, query.keysOnly ? 0 : 1, chunkBytesMax);
        const chunk = versions.slice(from, to);
        yield query.keysOnly ? chunk.map(({ record }) => record) : await withValues(parts, chunk);
        handle.check();
        from = to;
      }
      rowsWanted = Math.min(rowsWanted * 4, ROWS_MAX);
    }
  } finally {
    await iterator.close();
  }
}

type Iterator = ReturnType<RecordSource["newestIterator"]>;

/** A version as of the query's revision, without its value. */
type ScannedVersion = KeySpace & VersionId & { readonly record: StoredRecord };

async function nextRows(
  handle: DatabaseHandle,
  iterator: Iterator,
  rowsWanted: number,
): Promise<[Uint8Array, Uint8Array][]> {
  handle.check();
  try {
    const rows = await iterator.nextv(rowsWanted);
    handle.check();
    return rows;
  } catch (error) {
    throw handle.fault("could not be read", error);
  }
}

async function versionsAt(
  source: RecordSource,
  query: RangeQuery,
  rows: readonly [Uint8Array, Uint8Array][],
  snapshot: DatabaseSnapshot,
): Promise<readonly ScannedVersion[]> {
  const { namespaceId, generation } = query;
  const versions: ScannedVersion[] = [];
  for (const row of rows) {
    const { key, modRevision, record } = source.decodeNewest(row);
    if (modRevision <= query.revision) {
      if (record !== null) versions.push({ namespaceId, generation, key, modRevision, record });
      continue;
    }
    const older = await source.versionAt(query, key, query.revision, snapshot);
    if (older === null) continue;
    versions.push({
      namespaceId,
      generation,
      key,
      modRevision: older.modRevision,
      record: withoutValue(older),
    });
  }
  return versions;
}

async function withValues(
  { source, snapshot, cache }: ScanParts,
  versions: readonly ScannedVersion[],
): Promise<readonly StoredRecord[]> {
  if (cache === undefined) return source.versions(versions, snapshot);
  const records = versions.map((version) => cache.withValue(version, version.record));
  const missing = versions.filter((_, at) => records[at] === null);
  const read = missing.length === 0 ? [] : await source.versions(missing, snapshot);
  let next = 0;
  return records.map((record) => record ?? (read[next++] as StoredRecord));
}

function chunkEnd(
  versions: readonly ScannedVersion[],
  from: number,
  valueWeight: number,
  chunkBytesMax: number,
): number {
  let bytes = 0;
  for (let at = from; at < versions.length; at += 1) {
    const { key, record } = versions[at] as ScannedVersion;
    bytes += RECORD_OVERHEAD_BYTES + key.length + record.valueBytes * valueWeight;
    if (at > from && bytes > chunkBytesMax) return at;
  }
  return versions.length;
}
