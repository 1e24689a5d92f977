import type { StoredRecord } from "#kv";
import type { RangeQuery } from "#replica";
import type { DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import { keyText } from "./key-text";
import type { RunFilling } from "./record-runs";
import type { RecordSource } from "./record-source";
import type { StateWriter } from "./state-writer";
import { type Version, withoutValue } from "./version-records";
import { versionsAt } from "./versions-at";

/** Rows of the first read where nobody says how many are wanted: what is read past that is thrown away. */
const FIRST_ROWS = 64;
/** The same where more are wanted: few enough that whoever sends them soon has some to send. */
const FIRST_ROWS_OF_MANY = 512;
const ROWS_MAX = 1024;
/** What a record counts besides key and value. */
const RECORD_OVERHEAD_BYTES = 64;

/**
 * Goes through a range by the `newest` records, one a key, so that old versions cost nothing; only a key that was
 * changed after the revision asked for is looked for in the history. One snapshot serves the whole scan. Where it is
 * said how many records are wanted, more are read while those before are taken.
 */
export async function* scanRange(
  parts: Pick<ScanParts, "handle" | "source"> & { readonly writer: Pick<StateWriter, "snapshot"> },
  query: RangeQuery,
  chunkBytesMax: number,
): AsyncGenerator<readonly StoredRecord[]> {
  const snapshot = await parts.writer.snapshot(query.revision);
  try {
    yield* scanSnapshot({ ...parts, snapshot, filling: null }, query, chunkBytesMax);
  } finally {
    await snapshot.close();
  }
}

export interface ScanParts {
  readonly handle: DatabaseHandle;
  readonly source: RecordSource;
  readonly snapshot: DatabaseSnapshot;
  /** Is given what is read, from the smallest key up and with values; null: nobody is. */
  readonly filling: RunFilling | null;
}

/** The same as of a snapshot, which stays the caller's. */
export async function* scanSnapshot(
  parts: ScanParts,
  query: RangeQuery,
  chunkBytesMax: number,
): AsyncGenerator<readonly StoredRecord[]> {
  const { handle, source, snapshot, filling } = parts;
  const { recordsWanted } = query;
  const iterator = source.newestIterator(query, {
    reverse: query.reverse,
    snapshot,
    bytesPerRead: chunkBytesMax,
  });
  let rowsMax = recordsWanted === undefined ? FIRST_ROWS : Math.min(recordsWanted, FIRST_ROWS_OF_MANY);
  let recordsLeft = recordsWanted ?? Number.POSITIVE_INFINITY;
  // A read ends early where its rows are long, and the rest is not to be much more than what is missing.
  const read = (missing: number): Promise<Rows> =>
    nextRows(handle, iterator, Math.min(rowsMax, Math.max(missing, FIRST_ROWS)));
  let ahead: Promise<Rows> | null = null;
  try {
    for (;;) {
      const rows: Rows = await (ahead ?? read(recordsLeft));
      if (rows.length === 0) {
        filling?.complete();
        return;
      }
      rowsMax = Math.min(rowsMax * 2, ROWS_MAX);
      const missing = recordsLeft - rows.length;
      ahead = recordsWanted !== undefined && missing > 0 ? read(missing) : null;
      // A scan that ends before does not wait for it.
      ahead?.catch(() => undefined);
      const records = await recordsAt(parts, query, rows);
      recordsLeft -= records.length;
      for (const chunk of chunksOf(records, chunkBytesMax)) {
        yield chunk;
        handle.check();
      }
    }
  } finally {
    await iterator.close();
  }
}

type Iterator = ReturnType<RecordSource["newestIterator"]>;
type Rows = readonly [Uint8Array, Uint8Array][];

async function nextRows(handle: DatabaseHandle, iterator: Iterator, rowsWanted: number): Promise<Rows> {
  handle.check();
  try {
    const rows = await iterator.nextv(rowsWanted);
    handle.check();
    return rows;
  } catch (error) {
    throw handle.fault("could not be read", error);
  }
}

/** The records as of the query's revision. */
async function recordsAt(
  { handle, source, snapshot, filling }: ScanParts,
  query: RangeQuery,
  rows: Rows,
): Promise<readonly StoredRecord[]> {
  const newest = rows.map((row) => source.decodeNewest(row));
  const versions = await versionsAt({ handle, source, snapshot }, query, newest);
  const wanted = query.keysOnly ? versions : await source.withValues(query, versions, snapshot);
  const records: StoredRecord[] = [];
  for (let at = 0; at < wanted.length; at += 1) {
    const { record } = wanted[at] as Version;
    filling?.add(keyText(query, (newest[at] as { readonly key: Uint8Array }).key), record);
    if (record !== null) records.push(query.keysOnly ? withoutValue(record) : record);
  }
  return records;
}

/** Records in chunks of bounded bytes; one that is longer is a chunk by itself. */
export function* chunksOf(
  records: readonly StoredRecord[],
  chunkBytesMax: number,
): Generator<readonly StoredRecord[]> {
  for (let from = 0; from < records.length; ) {
    const to = chunkEnd(records, from, chunkBytesMax);
    yield records.slice(from, to);
    from = to;
  }
}

function chunkEnd(records: readonly StoredRecord[], from: number, chunkBytesMax: number): number {
  let bytes = 0;
  for (let at = from; at < records.length; at += 1) {
    const { key, value } = records[at] as StoredRecord;
    bytes += RECORD_OVERHEAD_BYTES + key.length + value.length;
    if (at > from && bytes > chunkBytesMax) return at;
  }
  return records.length;
}
