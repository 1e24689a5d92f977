import type { ResidentState, StateWrites } from "#kv";
import type { ChainedBatch } from "./database";
import { keyHash, PROCESS_SEED } from "./key-hash";
import { RecordWriter } from "./record-writer";
import { KEYS_PER_SLICE, type RemovalParts } from "./removal";
import { readRevisions, type StoredChange } from "./revision-records";
import type { SpaceReturn } from "./space-return";
import {
  type KeyRange,
  marksOfRevisionsKey,
  newestKey,
  RANGE_OF_REVISIONS,
  rangeOfGeneration,
  rangeOfHistoryEndingIn,
  valueKey,
} from "./state-layout";
import { isPut, modRevisionOf, valuesApart } from "./version-records";

/** Rows that are read for what else goes with them: each has up to 64 changes. */
const ROWS_READ_PER_SLICE = KEYS_PER_SLICE / 64;

/**
 * Removes history that compactions gave up: whole `revision` rows, and with them all that their changes had replaced. So
 * it costs a key for many changes. Only a row that has deletions, or replaced values that lie apart, is read: those go
 * too. A row goes when all of it is given up, so nothing is written anew and up to a row's changes stay for longer.
 *
 * Rows with which others go are removed as soon as they are given up, and those that take nothing but their own space when
 * that is worth returning: a young table that has a removal is merged with all that lies between it and what is new.
 */
export class HistoryRemoval {
  private readonly writer = new RecordWriter();
  /** The revision of the last change of each namespace, or one after it. */
  private readonly changedAt = new Map<number, number>();
  /** Up to which revision no row is left of a namespace's history with which others go. */
  private readonly lookedTo = new Map<number, number>();
  /** Up to which revision nothing is left of it. */
  private readonly removedTo = new Map<number, number>();
  /** What the rows between the two take, about; of namespaces that have some. */
  private readonly leftBytes = new Map<number, number>();
  private readonly due = new Set<number>();
  private compactedRevision: number;

  constructor(
    private readonly parts: RemovalParts,
    private readonly space: SpaceReturn,
    { namespaces, meta }: ResidentState,
  ) {
    this.compactedRevision = meta.compactedRevision;
    for (const { id } of namespaces) {
      this.changedAt.set(id, meta.revision);
      this.ask(id);
    }
  }

  get isDue(): boolean {
    return this.due.size > 0;
  }

  noteWritten({ meta, changes, namespaces, namespacesDeleted }: StateWrites): void {
    for (const { namespaceId, revision } of changes) this.changedAt.set(namespaceId, revision);
    for (const { id } of namespaces) this.ask(id);
    if (meta.compactedRevision > this.compactedRevision) {
      this.compactedRevision = meta.compactedRevision;
      for (const id of this.parts.floors.namespaceIds) this.ask(id);
    }
    for (const { id } of namespacesDeleted) {
      this.changedAt.delete(id);
      this.lookedTo.delete(id);
      this.removedTo.delete(id);
      this.leftBytes.delete(id);
      this.due.delete(id);
    }
  }

  /** Removes what a namespace that is due gave up: rows with which others go. */
  async removeNext(): Promise<void> {
    const [namespaceId] = this.due;
    if (namespaceId === undefined) return;
    this.due.delete(namespaceId);
    const to = this.parts.floors.givenUpTo(namespaceId);
    if (to === null) return;
    // What is written later is not given up.
    await this.parts.stateWriter.flush();
    const from = (this.lookedTo.get(namespaceId) ?? 0) + 1;
    const range = rangeOfHistoryEndingIn(this.writer, namespaceId, from, to);
    const storedBytes = await this.parts.handle.database.approximateSize(range.gte, range.lt);
    const removedBytes = await this.removeRows(namespaceId, range, isRead);
    if (removedBytes > 0) this.space.noteRemoved(range, removedBytes);
    // A namespace that was deleted meanwhile is forgotten.
    if (!this.changedAt.has(namespaceId)) return;
    const leftBytes = this.leftBytes.get(namespaceId) ?? 0;
    this.leftBytes.set(namespaceId, leftBytes + Math.max(0, storedBytes - removedBytes));
    this.lookedTo.set(namespaceId, to);
  }

  /** Removes what is left of all that was given up, if it is worth it; whether it did. */
  async removeLeft(): Promise<boolean> {
    let bytes = 0;
    for (const ofOne of this.leftBytes.values()) bytes += ofOne;
    if (bytes === 0 || !(await this.space.isWorthReturning(RANGE_OF_REVISIONS, bytes))) return false;
    for (const [namespaceId, ofOne] of [...this.leftBytes]) {
      const to = this.lookedTo.get(namespaceId);
      // Deleted meanwhile.
      if (to === undefined) continue;
      const from = (this.removedTo.get(namespaceId) ?? 0) + 1;
      const left = rangeOfHistoryEndingIn(this.writer, namespaceId, from, to);
      this.space.noteRemoved(left, ofOne);
      await this.removeRows(namespaceId, left, () => true);
      if (!this.changedAt.has(namespaceId)) continue;
      this.removedTo.set(namespaceId, to);
      this.leftBytes.delete(namespaceId);
    }
    return true;
  }

  private ask(namespaceId: number): void {
    const lookedTo = this.lookedTo.get(namespaceId) ?? 0;
    const changedAt = this.changedAt.get(namespaceId) ?? 0;
    const givenUpTo = this.parts.floors.givenUpTo(namespaceId) ?? 0;
    if (lookedTo < givenUpTo && lookedTo < changedAt) this.due.add(namespaceId);
  }

  /** @returns the bytes of those that it read */
  private async removeRows(
    namespaceId: number,
    range: KeyRange,
    isMeant: (storedKey: Uint8Array) => boolean,
  ): Promise<number> {
    const { handle } = this.parts;
    handle.check();
    let bytes = 0;
    const iterator = handle.database.keys(range);
    try {
      for (;;) {
        const keys = await iterator.nextv(KEYS_PER_SLICE);
        handle.check();
        if (keys.length === 0) return bytes;
        for (const slice of slicesOf(keys.filter(isMeant)))
          bytes += await this.removeSlice(namespaceId, slice);
      }
    } finally {
      await iterator.close();
    }
  }

  private async removeSlice(namespaceId: number, keys: readonly Uint8Array[]): Promise<number> {
    const { source, stateWriter } = this.parts;
    let bytesRead = 0;
    const changes = keys.filter(isRead).flatMap((key) => {
      const row = source.rowNow(key);
      bytesRead += key.length + row.length;
      return [...readRevisions(row)];
    });
    await stateWriter.write((batch) => {
      let bytes = 0;
      for (const key of keys) {
        batch.del(key);
        bytes += key.length;
      }
      for (const change of changes) bytes += this.removeWith(batch, namespaceId, change);
      return bytes;
    });
    return bytesRead;
  }

  /** Removes what goes with a change: what it replaced, where that lies apart, and its key where it is gone by it. */
  private removeWith(batch: ChainedBatch, namespaceId: number, change: StoredChange): number {
    const { kind, generation, key, revision, replaced } = change;
    // The keys of a generation that ended are removed as such.
    if (kind === "truncate" || !this.parts.floors.isPresent({ namespaceId, generation })) return 0;
    let bytes = 0;
    for (const apart of valuesApart(replaced)) {
      const place = { namespaceId, generation, key, revision: apart.revision };
      bytes += valueKey(this.writer, place).deleteFrom(batch);
      this.space.noteRemoved(rangeOfGeneration(this.writer, "value", namespaceId, generation), apart.bytes);
    }
    if (kind === "delete" && this.isDeletedAt({ namespaceId, generation, key, revision })) {
      bytes += newestKey(this.writer, namespaceId, generation, key).deleteFrom(batch);
    }
    return bytes;
  }

  /** Whether the newest that there is of a key is its deletion at that revision. */
  private isDeletedAt(deleted: {
    readonly namespaceId: number;
    readonly generation: number;
    readonly key: Uint8Array;
    readonly revision: number;
  }): boolean {
    const { key, revision } = deleted;
    const { stateWriter, source } = this.parts;
    // LevelDB gets no write in between, and what is gathered meanwhile comes after the removal.
    const written = stateWriter.newestOf(keyHash(PROCESS_SEED, deleted, key), deleted, key);
    const row = written?.row ?? source.newestRowNow(deleted, key);
    return row.length > 0 && !isPut(row) && modRevisionOf(row) === revision;
  }
}

function isRead(storedKey: Uint8Array): boolean {
  const { hasDeletions, hasApart } = marksOfRevisionsKey(storedKey);
  return hasDeletions || hasApart;
}

/** The keys of rows in parts of which a few are read. */
function* slicesOf(keys: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  let from = 0;
  let readCount = 0;
  for (const [at, key] of keys.entries()) {
    if (!isRead(key)) continue;
    if (readCount === ROWS_READ_PER_SLICE) {
      yield keys.slice(from, at);
      from = at;
      readCount = 0;
    }
    readCount += 1;
  }
  if (from < keys.length) yield keys.slice(from);
}
