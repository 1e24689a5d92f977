import { type Change, type KeyRead, type StoredRecord, withBytes } from "#kv";
import { EMPTY_BYTES } from "#std";
import type { DatabaseHandle } from "./database-handle";
import type { GatheredWrites } from "./gathered-writes";
import { type KeySpace, keyHash, PROCESS_SEED } from "./key-hash";
import type { KnownKeys } from "./known-keys";
import { type Found, MissedRecords, type Misses } from "./missed-records";
import { RecordCache } from "./record-cache";
import type { RecordRuns } from "./record-runs";
import type { RecordSource } from "./record-source";
import { RecordWriter } from "./record-writer";
import { keyOfChange } from "./revision-records";
import type { RowOverflow } from "./row-overflow";
import type { StateWriter } from "./state-writer";
import { readVersion, type Version, wholeRow, withoutValue, writeNewestRow } from "./version-records";

/** Changes whose keys are read within one turn at most, where none of them is in memory: up to some 3 ms. */
const UNFETCHED_CHANGES_MAX = 256;

/** Asks for what a key is, whatever its revision, as who is about to write does. */
export const NEWEST_REVISION = Number.MAX_SAFE_INTEGER;

/**
 * Of the rows that reads bring back, one of so many goes into the cache: one that is read often is there soon, and many
 * that are read once do not push each other out.
 */
const BROUGHT_BACK_PER_CACHED = 4;

/** By position of the changes of a batch; nothing of those that truncate. */
export interface ReplacedRows {
  readonly hashes: readonly number[];
  /** The `newest` rows that the batch takes the place of, as they were before all of it. */
  readonly rows: readonly (Uint8Array | undefined)[];
}

/**
 * Reads records of keys through a cache of their newest versions, which writes keep up to date; and what is not cached
 * from what LevelDB does not have yet, from what the cache had no room for, or from LevelDB, unless it is known that the
 * key never was.
 */
export class NewestRecords {
  private readonly cache: RecordCache;
  private readonly rows = new RecordWriter();
  private readonly missed: MissedRecords;
  private writeCount = 0;
  private broughtBackCount = 0;

  constructor(
    private readonly handle: DatabaseHandle,
    private readonly source: RecordSource,
    private readonly writer: Pick<StateWriter, "newestOf" | "snapshot">,
    private readonly runs: Pick<RecordRuns, "noteChanged" | "clear">,
    private readonly overflow: RowOverflow,
    private readonly known: KnownKeys,
    cacheBytesMax: number,
  ) {
    this.cache = new RecordCache(cacheBytesMax, undefined, (row) => overflow.add(row));
    this.missed = new MissedRecords(handle, source, writer, {
      writeCount: () => this.writeCount,
      remember: (hash, read, row) => this.cache.set(hash, read, read.key, this.noted(row)),
    });
  }

  /**
   * In the order of the reads; null where there was no such key at that revision. A record has its value only where
   * the read wants it. What is cached, and a few that are not, cost no turn of the event loop; else the rest is fetched in
   * one go.
   */
  read(reads: readonly KeyRead[], revision: number): Found | Promise<Found> {
    const records: (StoredRecord | null)[] = [];
    const missedAt: number[] = [];
    const hashes: number[] = [];
    for (let at = 0; at < reads.length; at += 1) {
      const read = reads[at] as KeyRead;
      const hash = keyHash(PROCESS_SEED, read, read.key);
      const found = this.atHand(hash, read, revision);
      records.push(found ?? null);
      if (found !== undefined) continue;
      missedAt.push(at);
      hashes.push(hash);
    }
    if (missedAt.length === 0) return records;
    const misses: Misses = { reads: missedAt.map((at) => reads[at] as KeyRead), hashes };
    const withLoaded = (loaded: Found): Found => {
      for (let miss = 0; miss < missedAt.length; miss += 1) {
        const record = asAsked(loaded[miss] as StoredRecord | null, misses.reads[miss] as KeyRead);
        records[missedAt[miss] as number] = record;
      }
      return records;
    };
    const now = this.missed.loadNow(misses, revision);
    return now === null ? this.missed.load(misses, revision).then(withLoaded) : withLoaded(now);
  }

  /**
   * Whether a batch takes the place of more than is to be read in one turn of the event loop: then fetchReplaced() goes before
   * write().
   */
  isLong(changes: readonly Change[]): boolean {
    return changes.length > UNFETCHED_CHANGES_MAX;
  }

  /** Reads what a batch takes the place of, from memory where it is there. Nothing may be written until write(). */
  async fetchReplaced(changes: readonly Change[]): Promise<ReplacedRows> {
    const hashes: number[] = [];
    const rows: (Uint8Array | undefined)[] = [];
    const missed: KeyRead[] = [];
    const missedAt: number[] = [];
    for (let at = 0; at < changes.length; at += 1) {
      const change = changes[at] as Change;
      if (change.kind === "truncate") {
        hashes.push(0);
        rows.push(undefined);
        continue;
      }
      const key = keyOfChange(change);
      const hash = keyHash(PROCESS_SEED, change, key);
      const present = this.rowInMemory(hash, change, key) ?? this.rowOfNew(hash);
      const row = present === undefined ? undefined : copyOf(present);
      hashes.push(hash);
      rows.push(row);
      if (row !== undefined) continue;
      const { namespaceId, generation } = change;
      missed.push({ namespaceId, generation, key, withValue: true });
      missedAt.push(at);
    }
    if (missed.length === 0) return { hashes, rows };
    const snapshot = this.handle.database.snapshot();
    try {
      const read = await this.source.newestRows(missed, snapshot);
      for (let next = 0; next < missedAt.length; next += 1) {
        rows[missedAt[next] as number] = this.noted(read[next] as Uint8Array);
      }
    } finally {
      await snapshot.close();
    }
    return { hashes, rows };
  }

  /** Takes over what a batch changes, and adds it to what is gathered for LevelDB. @param fetched where the batch is long */
  write(changes: readonly Change[], gathered: GatheredWrites, fetched: ReplacedRows | null): void {
    this.writeCount += 1;
    for (let at = 0; at < changes.length; at += 1) {
      const change = changes[at] as Change;
      if (change.kind === "truncate") {
        // The keys of a generation that ended are never read again, and leave the cache by themselves.
        gathered.addTold(change, EMPTY_BYTES);
        continue;
      }
      const key = keyOfChange(change);
      const hash = fetched === null ? keyHash(PROCESS_SEED, change, key) : (fetched.hashes[at] as number);
      // What the batch itself wrote comes before what was there.
      const replaced =
        (fetched === null
          ? this.rowInMemory(hash, change, key)
          : (gathered.rows.newest.get(hash, change, key)?.row ?? fetched.rows[at])) ??
        this.rowInOverflow(hash, change, key) ??
        this.rowOfNew(hash) ??
        this.rowStored(change, key);
      const { row } = writeNewestRow(this.rows, change, replaced);
      gathered.addChange(hash, change, { row, replaced });
      this.known.add(hash);
      this.overflow.delete(hash);
      this.cache.set(hash, change, key, row);
      this.runs.noteChanged(change, key);
    }
  }

  /** Forgets keys whose newest version was put right behind the back of the changes. */
  noteRepaired(repaired: readonly (KeySpace & { readonly key: Uint8Array })[]): void {
    this.writeCount += 1;
    for (const each of repaired) {
      const hash = keyHash(PROCESS_SEED, each, each.key);
      this.known.add(hash);
      this.cache.delete(hash, each, each.key);
      this.overflow.delete(hash);
    }
    this.runs.clear();
  }

  /** Resolves when no file is open here any more. */
  close(): Promise<void> {
    return this.overflow.close();
  }

  /**
   * What a change takes the place of: in the cache nearly always, for a command has just read it. A view of memory that
   * changes.
   */
  private rowInMemory(hash: number, space: KeySpace, key: Uint8Array): Uint8Array | undefined {
    const cached = this.cache.peek(hash, space, key);
    const row = cached === null ? undefined : wholeRow(cached);
    return row ?? this.writer.newestOf(hash, space, key)?.row;
  }

  private rowInOverflow(hash: number, space: KeySpace, key: Uint8Array): Uint8Array | undefined {
    return this.overflow.find(hash, space, key) ?? undefined;
  }

  private rowStored(space: KeySpace, key: Uint8Array): Uint8Array {
    return this.noted(this.source.newestRowNow(space, key));
  }

  /** A row that LevelDB was asked for; it is empty where there is none. */
  private noted(row: Uint8Array): Uint8Array {
    if (row.length === 0) this.known.noteAbsent();
    return row;
  }

  /** That of a key of which it is known that it never was. */
  private rowOfNew(hash: number): Uint8Array | undefined {
    return this.known.isNew(hash) ? EMPTY_BYTES : undefined;
  }

  /** Undefined where it is not at hand as the read wants it. */
  private atHand(hash: number, read: KeyRead, revision: number): StoredRecord | null | undefined {
    const { key } = read;
    const cached = this.cache.find(hash, read, key);
    const row = cached === null ? undefined : wholeRow(cached);
    if (row !== undefined) {
      const version = readVersion(key, row);
      if (version.modRevision > revision) return undefined;
      if (!version.isApart || !read.withValue) return ownRecord(version, read.withValue);
    }
    const written = this.writer.newestOf(hash, read, key);
    if (written === undefined) {
      if (cached !== null) return undefined;
      return this.known.isNew(hash) ? null : this.broughtBack(hash, read, revision);
    }
    const version = readVersion(key, written.row);
    if (version.modRevision > revision) return undefined;
    if (version.record === null || written.value === null) return ownRecord(version, read.withValue);
    return asAsked(withBytes(version.record, key, written.value), read);
  }

  /** From what the cache had no room for. */
  private broughtBack(hash: number, read: KeyRead, revision: number): StoredRecord | null | undefined {
    const row = this.overflow.find(hash, read, read.key);
    if (row === null) return undefined;
    this.broughtBackCount += 1;
    // Whoever is about to write wants it once more.
    if (revision === NEWEST_REVISION || this.broughtBackCount % BROUGHT_BACK_PER_CACHED === 0)
      this.cache.set(hash, read, read.key, row);
    const version = readVersion(read.key, row);
    if (version.modRevision > revision || (version.isApart && read.withValue)) return undefined;
    return ownRecord(version, read.withValue);
  }
}

/** Of a version that is a view of memory that changes. */
function ownRecord({ record }: Version, withValue: boolean): StoredRecord | null {
  if (record === null) return null;
  return withBytes(record, record.key, withValue ? copyOf(record.value) : EMPTY_BYTES);
}

/** Of a pool, where it is small: an array with memory of its own takes 350 bytes besides. */
function copyOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return EMPTY_BYTES;
  const copy = Buffer.allocUnsafe(bytes.length);
  copy.set(bytes);
  return copy;
}

function asAsked(record: StoredRecord | null, read: KeyRead): StoredRecord | null {
  return record === null || read.withValue ? record : withoutValue(record);
}
