import { EMPTY_HARD_STATE, type EntryId } from "#raft";
import { type LogStore, StoreFailure } from "#replica";
import { type Database, openDatabase } from "./database";
import { DatabaseHandle } from "./database-handle";
import { EntrySizes } from "./entry-sizes";
import { EntryTail } from "./entry-tail";
import { errorText } from "./error-fields";
import { faultyLog } from "./leveldb-log";
import {
  beginKey,
  endKey,
  entryKeyRange,
  indexOfEntryKey,
  isSyncedBatch,
  type LogBegin,
  type LogEnd,
  readBegin,
  readEnd,
  readEntry,
  writeBegin,
  writeEnd,
} from "./log-layout";
import { LevelLogStore, type LogContents } from "./log-store";
import { RecordWriter } from "./record-writer";
import { TermRuns } from "./term-runs";

export interface LogStoreOptions {
  /** The directory of the database. */
  readonly path: string;
  /** Of the newest entries kept in memory. */
  readonly tailBytesMax: number;
}

export type LogStoreOpened =
  | { readonly kind: "opened"; readonly log: LogStore }
  /** Another process has it open. */
  | { readonly kind: "locked" };

/** Today a node holds one group; keys carry its id so that a later version can hold several. */
const GROUP_ID = 1;
const DATABASE_OPTIONS = {
  sizes: { writeBufferBytes: 4 * 1024 * 1024, blockCacheBytes: 1024 * 1024 },
  advice: "start this member anew from its peers, or restore the whole data directory",
};
const ENTRIES_PER_READ = 256;
const BYTES_PER_READ = 256 * 1024;

/** Makes an empty log that goes on after an entry that is committed; durable when it resolves. */
export async function createLog(path: string, after: EntryId): Promise<void> {
  const opened = await openDatabase(path, "create", DATABASE_OPTIONS);
  if (opened.kind === "locked") throw new StoreFailure(`${path} is in use`, { dataLoss: false });
  const writer = new RecordWriter();
  const batch = opened.database.batch();
  const { term, index } = after;
  writeBegin(writer, GROUP_ID, { after: { term, index }, crc: 0 }).putInto(batch);
  const hardState = { ...EMPTY_HARD_STATE, term, commit: index };
  writeEnd(writer, GROUP_ID, { hardState, lastIndex: index, crc: 0 }).putInto(batch);
  const handle = new DatabaseHandle(opened.database, `the log in ${path}`);
  await handle.write(batch, { sync: true });
  await handle.close();
}

/**
 * Opens a log and verifies all of it: each record's checksum, that indexes are consecutive, that each entry names the
 * checksum of the one before, and that the end record, which the last append wrote, agrees with where they end.
 *
 * LevelDB itself drops an append that a crash tore, whole, so the end record then is that of the append before. What
 * disagrees with the end record is therefore no torn tail but damage to something that was durable. So is a damaged
 * append with others behind it, which LevelDB would take for a torn tail too.
 *
 * @throws StoreFailure with dataLoss where it is damaged
 */
export async function openLogStore(options: LogStoreOptions): Promise<LogStoreOpened> {
  const fault = await faultyLog(options.path, isSyncedBatch);
  if (fault !== null) throw damage(options, fault);
  const opened = await openDatabase(options.path, "existing", DATABASE_OPTIONS);
  if (opened.kind === "locked") return opened;
  const { database } = opened;
  try {
    const contents = await verifiedContents(database, options);
    const handle = new DatabaseHandle(database, `the log in ${options.path}`);
    return { kind: "opened", log: new LevelLogStore(handle, contents) };
  } catch (error) {
    await database.close();
    if (error instanceof StoreFailure) throw error;
    throw new StoreFailure(`the log in ${options.path} cannot be read: ${errorText(error)}`, {
      dataLoss: true,
      cause: error,
    });
  }
}

async function verifiedContents(database: Database, options: LogStoreOptions): Promise<LogContents> {
  const writer = new RecordWriter();
  const begin = readRecord(database, beginKey(writer, GROUP_ID), readBegin);
  if (begin === null) throw damage(options, "the record of where it begins is missing or damaged");
  const end = readRecord(database, endKey(writer, GROUP_ID), readEnd);
  if (end === null) throw damage(options, "the record of term, vote and last entry is missing or damaged");
  const terms = new TermRuns();
  const tail = new EntryTail(options.tailBytesMax);
  const sizes = new EntrySizes(begin.after.index + 1);
  await readEntries(database, options, { begin, end, terms, tail, sizes });
  const leftFrom = await firstIndexBefore(database, begin);
  return { groupId: GROUP_ID, begin, end, terms, tail, sizes, leftFrom };
}

/** The first entry that was given up and is still there; null for none. */
async function firstIndexBefore(database: Database, begin: LogBegin): Promise<number | null> {
  const { gte } = entryKeyRange(new RecordWriter(), GROUP_ID, 0);
  const { gte: lt } = entryKeyRange(new RecordWriter(), GROUP_ID, begin.after.index + 1);
  const [key] = await database.keys({ gte, lt, limit: 1 }).all();
  return key === undefined ? null : indexOfEntryKey(key);
}

async function readEntries(
  database: Database,
  options: LogStoreOptions,
  found: {
    readonly begin: LogBegin;
    readonly end: LogEnd;
    readonly terms: TermRuns;
    readonly tail: EntryTail;
    readonly sizes: EntrySizes;
  },
): Promise<void> {
  const { begin, end, terms, tail, sizes } = found;
  const iterator = database.iterator({
    ...entryKeyRange(new RecordWriter(), GROUP_ID, begin.after.index + 1),
    highWaterMarkBytes: BYTES_PER_READ,
  });
  let last = { index: begin.after.index, term: begin.after.term, crc: begin.crc };
  try {
    for (;;) {
      const rows = await iterator.nextv(ENTRIES_PER_READ);
      if (rows.length === 0) break;
      for (const [key, stored] of rows) {
        const index = indexOfEntryKey(key);
        if (index !== last.index + 1) {
          throw damage(options, `entry ${last.index + 1} is missing, yet entry ${index} is there`);
        }
        const read = readEntry(key, stored);
        if (read === null) throw damage(options, `the checksum of entry ${index} does not match`);
        if (read.crcBefore !== last.crc || read.entry.term < last.term) {
          throw damage(options, `entry ${index} does not follow on entry ${last.index} as it is stored`);
        }
        last = { index, term: read.entry.term, crc: read.crc };
        terms.append(index, read.entry.term);
        tail.append(read.entry, read.crc);
        sizes.append(read.entry);
      }
    }
  } finally {
    await iterator.close();
  }
  if (last.index !== end.lastIndex || last.crc !== end.crc) {
    throw damage(
      options,
      `it ends at entry ${last.index}, yet the last append ended at entry ${end.lastIndex}`,
    );
  }
}

function readRecord<T>(
  database: Database,
  key: Uint8Array,
  read: (key: Uint8Array, stored: Uint8Array) => T | null,
): T | null {
  const stored = database.getSync(key);
  return stored === undefined ? null : read(key, stored);
}

function damage(options: LogStoreOptions, what: string): StoreFailure {
  return new StoreFailure(
    `the log in ${options.path} is damaged: ${what}; this node must not vote or serve with it: ${DATABASE_OPTIONS.advice}`,
    { dataLoss: true },
  );
}
