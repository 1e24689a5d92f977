import { byteKey, type Change, type KeyRange, rangeContains, type StoredRecord, withBytes } from "#kv";
import type { HistoryQuery } from "#replica";
import { unreachable } from "#std";
import type { DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { HistoryFloors } from "./history-floors";
import type { KeySpace } from "./key-hash";
import { ownBytes } from "./own-bytes";
import type { RecordSource } from "./record-source";
import { RecordWriter } from "./record-writer";
import { readRevisions, type StoredChange } from "./revision-records";
import { rangeOfHistoryFrom } from "./state-layout";
import type { StateWriter } from "./state-writer";
import { readVersion, type Version } from "./version-records";
import { type SoughtVersion, VersionWalk } from "./version-walk";
import type { VersionParts } from "./versions-at";

/** Changes of the first read, nearly: what is read past the end of a chunk is thrown away. */
const FIRST_CHANGES = 64;
const CHANGES_MAX = 1024;
/** A row has one change or many, depending on how much was written at once. */
const ROWS_PER_READ = 16;
/** What a change counts besides key and value. */
const CHANGE_OVERHEAD_BYTES = 96;

export interface HistoryParts {
  readonly handle: DatabaseHandle;
  readonly source: RecordSource;
  readonly floors: HistoryFloors;
  readonly writer: Pick<StateWriter, "snapshot">;
}

/**
 * Goes through the `revision` rows of a namespace and adds the versions that their changes made. Each chunk is read from a
 * snapshot of its own, taken in the turn in which what it needs was seen to be kept still: so a slow reader holds
 * nothing back, and a version that is missing is damage. Whether more rows follow is seen in the same snapshot: what is
 * given up when all was read concerns nobody.
 */
export async function* readHistory(
  parts: HistoryParts,
  query: HistoryQuery,
  chunkBytesMax: number,
): AsyncGenerator<readonly Change[]> {
  const { handle, floors, writer } = parts;
  handle.check();
  floors.checkTold(query.namespaceId, query.from);
  const to = Math.min(query.to, floors.revision);
  let next = { revision: query.from, ordinal: 0 };
  let changesWanted = FIRST_CHANGES;
  while (next.revision <= to) {
    handle.check();
    floors.checkTold(query.namespaceId, next.revision);
    const snapshot = await writer.snapshot(to);
    let changes: readonly Change[];
    let isLast: boolean;
    try {
      const stored = await storedChanges(parts, query.namespaceId, next, {
        to,
        changesWanted,
        snapshot,
        chunkBytesMax,
      });
      const last = stored.at(-1);
      if (last === undefined) return;
      const { chunk, end } = cutChunk(stored, query.range, chunkBytesMax);
      changes = await withRecords(parts, query.namespaceId, { stored, chunk }, snapshot);
      const lastTaken = stored[end - 1] as StoredChange;
      next = { revision: lastTaken.revision, ordinal: lastTaken.ordinal + 1 };
      isLast =
        end === stored.length &&
        (
          await storedChanges(parts, query.namespaceId, next, {
            to,
            changesWanted: 1,
            snapshot,
            chunkBytesMax,
          })
        ).length === 0;
      changesWanted = end === stored.length ? Math.min(changesWanted * 4, CHANGES_MAX) : FIRST_CHANGES;
    } finally {
      await snapshot.close();
    }
    // Empty where no row was of the range: so that whoever reads much for little can end it.
    yield changes;
    if (isLast) return;
  }
}

async function storedChanges(
  { source }: HistoryParts,
  namespaceId: number,
  from: { readonly revision: number; readonly ordinal: number },
  options: {
    readonly to: number;
    readonly changesWanted: number;
    readonly snapshot: DatabaseSnapshot;
    readonly chunkBytesMax: number;
  },
): Promise<readonly StoredChange[]> {
  const changes: StoredChange[] = [];
  const chunks = source.rowChunks({
    ...rangeOfHistoryFrom(new RecordWriter(), namespaceId, from),
    rowsPerRead: Math.min(ROWS_PER_READ, options.changesWanted),
    snapshot: options.snapshot,
    highWaterMarkBytes: options.chunkBytesMax,
  });
  for await (const rows of chunks) {
    for (const [key, value] of rows) {
      for (const change of readRevisions(source.checked(key, value))) {
        if (change.revision > options.to) return changes;
        if (!isBefore(change, from)) changes.push(change);
      }
      if (changes.length >= options.changesWanted) return changes;
    }
  }
  return changes;
}

/** The row that a place is in may begin before it. */
function isBefore(
  change: StoredChange,
  place: { readonly revision: number; readonly ordinal: number },
): boolean {
  return change.revision === place.revision
    ? change.ordinal < place.ordinal
    : change.revision < place.revision;
}

/** What of the rows is asked for, up to so many bytes with values; `end` is where the next chunk begins. */
function cutChunk(
  stored: readonly StoredChange[],
  range: KeyRange,
  chunkBytesMax: number,
): { readonly chunk: readonly StoredChange[]; readonly end: number } {
  const chunk: StoredChange[] = [];
  let bytes = 0;
  for (const [at, change] of stored.entries()) {
    if (change.kind !== "truncate" && !rangeContains(range, change.key)) continue;
    bytes += CHANGE_OVERHEAD_BYTES + change.key.length + change.valueBytes;
    if (chunk.length > 0 && bytes > chunkBytesMax) return { chunk, end: at };
    chunk.push(change);
  }
  return { chunk, end: stored.length };
}

/**
 * The changes with the versions that they made. A version is what the next change of its key took the place of: mostly one
 * of those that were read with it, or else it is looked for from the newest version on.
 */
async function withRecords(
  { handle, source }: HistoryParts,
  namespaceId: number,
  { stored, chunk }: { readonly stored: readonly StoredChange[]; readonly chunk: readonly StoredChange[] },
  snapshot: DatabaseSnapshot,
): Promise<readonly Change[]> {
  const records = new Map<StoredChange, StoredRecord>();
  for (const [generation, puts] of putsByGeneration(chunk)) {
    const space = { namespaceId, generation };
    const rows = await versionsMade({ handle, source, snapshot }, space, { stored, puts });
    const versions = rows.map((row, at) => readVersion((puts[at] as StoredChange).key, row));
    const whole = await source.withValues(space, versions, snapshot);
    for (const [at, put] of puts.entries()) {
      const version = whole[at] as Version;
      if (version.record === null || version.modRevision !== put.revision) {
        throw handle.damaged(`the version of a key at revision ${put.revision} is missing`);
      }
      records.set(put, version.record);
    }
  }
  return chunk.map((change): Change => {
    const { kind, generation, revision, ordinal, origin } = change;
    const place = { namespaceId, generation, revision, ordinal, origin };
    switch (kind) {
      case "put": {
        const record = records.get(change) as StoredRecord;
        return {
          kind,
          ...place,
          record: withBytes(record, ownBytes(record.key), ownBytes(record.value)),
        };
      }
      case "delete":
        return { kind, ...place, key: ownBytes(change.key) };
      case "truncate":
        return { kind, ...place };
      default:
        return unreachable(kind);
    }
  });
}

/** Mostly there is one generation. */
function putsByGeneration(chunk: readonly StoredChange[]): ReadonlyMap<number, readonly StoredChange[]> {
  const puts = new Map<number, StoredChange[]>();
  for (const change of chunk) {
    if (change.kind !== "put") continue;
    const ofGeneration = puts.get(change.generation);
    if (ofGeneration === undefined) puts.set(change.generation, [change]);
    else ofGeneration.push(change);
  }
  return puts;
}

/** The rows of the versions that puts of one generation made, in their order. */
async function versionsMade(
  { handle, source, snapshot }: VersionParts,
  space: KeySpace,
  { stored, puts }: { readonly stored: readonly StoredChange[]; readonly puts: readonly StoredChange[] },
): Promise<readonly Uint8Array[]> {
  const newer = newerRows(stored, space.generation, puts);
  const unknown = puts.filter((put) => !newer.has(put)).map(({ key }) => ({ ...space, key }));
  const newest = await source.newestRows(unknown, snapshot);
  let next = 0;
  const sought = puts.map((put): SoughtVersion => {
    const row = newer.get(put) ?? (newest[next++] as Uint8Array);
    return { key: put.key, row, revision: put.revision, asTold: true };
  });
  const walk = new VersionWalk(handle, source, space, snapshot);
  try {
    return await walk.versions(sought);
  } finally {
    await walk.close();
  }
}

/** Of those puts whose key was changed again among the changes that were read: what the next change took the place of. */
function newerRows(
  stored: readonly StoredChange[],
  generation: number,
  puts: readonly StoredChange[],
): ReadonlyMap<StoredChange, Uint8Array> {
  const wanted = new Set(puts);
  const rows = new Map<StoredChange, Uint8Array>();
  const replacedLater = new Map<string, Uint8Array>();
  for (let at = stored.length - 1; at >= 0; at -= 1) {
    const change = stored[at] as StoredChange;
    if (change.kind === "truncate" || change.generation !== generation) continue;
    const name = byteKey(change.key);
    const row = replacedLater.get(name);
    if (row !== undefined && wanted.has(change)) rows.set(change, row);
    replacedLater.set(name, change.replaced);
  }
  return rows;
}
