import type { StoredRecord } from "#kv";
import type { RangeQuery } from "#replica";
import type { DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { NewestRecords } from "./newest-records";
import type { KeySpace, RecordSource } from "./record-source";
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
      const records = await recordsAt(source, query, rows, snapshot);
      for (let from = 0; from < records.length; ) {
        const to = chunkEnd(records, from, query.keysOnly ? 0 : 1, chunkBytesMax);
        const chunk = records.slice(from, to);
        yield query.keysOnly ? chunk : await withValues(parts, query, chunk);
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

/** The records as of the query's revision, without their values. */
async function recordsAt(
  source: RecordSource,
  query: RangeQuery,
  rows: readonly [Uint8Array, Uint8Array][],
  snapshot: DatabaseSnapshot,
): Promise<readonly StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (const row of rows) {
    const { key, modRevision, record } = source.decodeNewest(row);
    if (modRevision <= query.revision) {
      if (record !== null) records.push(record);
      continue;
    }
    const older = await source.versionAt(query, key, query.revision, snapshot);
    if (older !== null) records.push(withoutValue(older));
  }
  return records;
}

async function withValues(
  { source, snapshot, cache }: ScanParts,
  space: KeySpace,
  records: readonly StoredRecord[],
): Promise<readonly StoredRecord[]> {
  if (cache === undefined) return source.versionsIn(space, records, snapshot);
  const found = records.map((record) => cache.withValue(space, record));
  const missing = records.filter((_, at) => found[at] === null);
  const read = missing.length === 0 ? [] : await source.versionsIn(space, missing, snapshot);
  let next = 0;
  return found.map((record) => record ?? (read[next++] as StoredRecord));
}

function chunkEnd(
  records: readonly StoredRecord[],
  from: number,
  valueWeight: number,
  chunkBytesMax: number,
): number {
  let bytes = 0;
  for (let at = from; at < records.length; at += 1) {
    const { key, valueBytes } = records[at] as StoredRecord;
    bytes += RECORD_OVERHEAD_BYTES + key.length + valueBytes * valueWeight;
    if (at > from && bytes > chunkBytesMax) return at;
  }
  return records.length;
}
