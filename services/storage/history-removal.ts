import type { ResidentState, StateWrites } from "#kv";
import type { ChainedBatch } from "./database";
import { type KeySpace, keyHash, PROCESS_SEED } from "./key-hash";
import { RecordWriter } from "./record-writer";
import { KEYS_PER_SLICE, type RemovalParts } from "./removal";
import { type PreviousVersion, readRevisions, type StoredChange } from "./revision-records";
import type { SpaceReturn } from "./space-return";
import { keyAfter, newestKey, rangeOfHistoryEndingIn, versionKey } from "./state-layout";

/** A change takes up to four keys along: its row's, the version that it replaced, and a deletion's `version` and `newest`. */
const CHANGES_PER_SLICE = KEYS_PER_SLICE / 4;
const BYTES_PER_READ = 256 * 1024;
/** What a record takes besides the key of the user and the value, nearly. */
const RECORD_OVERHEAD_BYTES = 30;

interface RevisionRow {
  readonly storedKey: Uint8Array;
  readonly changes: readonly StoredChange[];
}

/**
 * Removes history that compactions gave up, going by the `revision` rows, so that it costs by what changed and not by
 * what there is. A row goes, and with it what its changes replaced, when all of it is given up: so nothing is written
 * anew, and up to a row's changes stay for longer. With a change goes the version that it took the place of: what is read at the floor or later finds the
 * change itself, or something newer. A deletion leaves nothing of itself either.
 */
export class HistoryRemoval {
  private readonly writer = new RecordWriter();
  /** The revision of the last change of each namespace, or one after it. */
  private readonly changedAt = new Map<number, number>();
  /** Up to which revision nothing is left of a namespace's history. */
  private readonly removedTo = new Map<number, number>();
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
      this.removedTo.delete(id);
      this.due.delete(id);
    }
  }

  /** Removes what a namespace that is due gave up. */
  async removeNext(): Promise<void> {
    const [namespaceId] = this.due;
    if (namespaceId === undefined) return;
    this.due.delete(namespaceId);
    const to = this.parts.floors.givenUpTo(namespaceId);
    if (to === null) return;
    // What is written later is not given up.
    await this.parts.stateWriter.flush();
    let range = rangeOfHistoryEndingIn(
      this.writer,
      namespaceId,
      (this.removedTo.get(namespaceId) ?? 0) + 1,
      to,
    );
    for (;;) {
      const rows = await this.parts.source.rows({
        ...range,
        limit: CHANGES_PER_SLICE,
        highWaterMarkBytes: BYTES_PER_READ,
      });
      const last = rows.at(-1);
      if (last === undefined) break;
      for (const slice of slicesOf(rows.map((row) => this.read(row)))) {
        await this.removeSlice(namespaceId, slice);
      }
      range = { gte: keyAfter(last[0]), lt: range.lt };
    }
    // A namespace that was deleted meanwhile is forgotten.
    if (this.changedAt.has(namespaceId)) this.removedTo.set(namespaceId, to);
  }

  private ask(namespaceId: number): void {
    const removedTo = this.removedTo.get(namespaceId) ?? 0;
    const changedAt = this.changedAt.get(namespaceId) ?? 0;
    const givenUpTo = this.parts.floors.givenUpTo(namespaceId) ?? 0;
    if (removedTo < givenUpTo && removedTo < changedAt) this.due.add(namespaceId);
  }

  private read([storedKey, value]: readonly [Uint8Array, Uint8Array]): RevisionRow {
    return { storedKey, changes: readRevisions(this.parts.source.checked(storedKey, value)) };
  }

  private async removeSlice(namespaceId: number, rows: readonly RevisionRow[]): Promise<void> {
    const { floors, stateWriter } = this.parts;
    const changes = rows.flatMap((row) => row.changes);
    const previous: (PreviousVersion | null)[] = [];
    for (const change of changes) {
      // Nearly all name it, and a turn of the event loop for each would cost more than removing it.
      previous.push(change.previous ?? (await this.previousOf(namespaceId, change)));
    }
    await stateWriter.write((batch) => {
      let bytes = 0;
      for (const { storedKey } of rows) {
        batch.del(storedKey);
        bytes += storedKey.length;
      }
      for (const [at, change] of changes.entries()) {
        const { generation } = change;
        this.space.noteRemoved(change.key.length + RECORD_OVERHEAD_BYTES);
        // The keys of a generation that ended are removed as such.
        const space = { namespaceId, generation };
        if (change.kind === "truncate" || !floors.isPresent(space)) continue;
        bytes += this.removePrevious(batch, space, change.key, previous[at] ?? null);
        if (change.kind === "delete") bytes += this.removeDeletion(batch, space, change);
      }
      return bytes;
    });
  }

  /** Where the change does not name it. Older versions only ever go here, one slice after another: what is found stays true until the slice is written. */
  private async previousOf(namespaceId: number, change: StoredChange): Promise<PreviousVersion | null> {
    const { kind, generation, key, revision } = change;
    const space = { namespaceId, generation };
    if (kind === "truncate" || !this.parts.floors.isPresent(space)) return null;
    return this.parts.source.versionIdBefore(space, key, revision);
  }

  private removePrevious(
    batch: ChainedBatch,
    { namespaceId, generation }: KeySpace,
    key: Uint8Array,
    previous: PreviousVersion | null,
  ): number {
    if (previous === null || previous.modRevision === 0) return 0;
    this.space.noteRemoved(key.length + previous.valueBytes + RECORD_OVERHEAD_BYTES);
    return versionKey(this.writer, namespaceId, generation, key, previous.modRevision).deleteFrom(batch);
  }

  private removeDeletion(batch: ChainedBatch, space: KeySpace, change: StoredChange): number {
    const { namespaceId, generation } = space;
    const { key, revision } = change;
    let bytes = versionKey(this.writer, namespaceId, generation, key, revision).deleteFrom(batch);
    this.space.noteRemoved(key.length + RECORD_OVERHEAD_BYTES);
    // LevelDB gets no write in between, and what is gathered meanwhile comes after the removal.
    const written = this.parts.stateWriter.newestOf(keyHash(PROCESS_SEED, space, key), space, key);
    const isNewest =
      written === undefined
        ? this.parts.source.isDeletedAt(space, key, revision)
        : written.revision === revision;
    if (isNewest) {
      bytes += newestKey(this.writer, namespaceId, generation, key).deleteFrom(batch);
      this.space.noteRemoved(key.length + RECORD_OVERHEAD_BYTES);
    }
    return bytes;
  }
}

/** Rows in parts of so many changes, nearly, and one row at least. */
function* slicesOf(rows: readonly RevisionRow[]): Generator<readonly RevisionRow[]> {
  let slice: RevisionRow[] = [];
  let changeCount = 0;
  for (const row of rows) {
    if (slice.length > 0 && changeCount + row.changes.length > CHANGES_PER_SLICE) {
      yield slice;
      slice = [];
      changeCount = 0;
    }
    slice.push(row);
    changeCount += row.changes.length;
  }
  if (slice.length > 0) yield slice;
}
