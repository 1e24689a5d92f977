import type { ResidentState, StateWrites } from "#kv";
import type { ChainedBatch } from "./database";
import type { KeySpace } from "./record-source";
import { RecordWriter } from "./record-writer";
import { KEYS_PER_SLICE, type RemovalParts } from "./removal";
import { type PreviousVersion, readRevision, type StoredChange } from "./revision-records";
import type { SpaceReturn } from "./space-return";
import { newestKey, rangeOfRevisions, revisionKey, versionKey } from "./state-layout";

/** A change takes up to four keys along: its own, the version that it replaced, and a deletion's `version` and `newest`. */
const CHANGES_PER_SLICE = KEYS_PER_SLICE / 4;
const BYTES_PER_READ = 256 * 1024;
/** What a record takes besides the key of the user and the value, nearly. */
const RECORD_OVERHEAD_BYTES = 30;

/**
 * Removes history that compactions gave up, going by the `revision` records, so that it costs by what changed and not by
 * what there is. With a change goes the version that it took the place of: what is read at the floor or later finds the
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
    let from = { revision: (this.removedTo.get(namespaceId) ?? 0) + 1, ordinal: 0 };
    for (;;) {
      const rows = await this.parts.source.rows({
        ...rangeOfRevisions(this.writer, namespaceId, from, to),
        limit: CHANGES_PER_SLICE,
        highWaterMarkBytes: BYTES_PER_READ,
      });
      const changes = rows.map(([key, value]) => readRevision(key, this.parts.source.checked(key, value)));
      const last = changes.at(-1);
      if (last === undefined) break;
      await this.removeSlice(namespaceId, changes);
      from = { revision: last.revision, ordinal: last.ordinal + 1 };
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

  private async removeSlice(namespaceId: number, changes: readonly StoredChange[]): Promise<void> {
    const { floors, stateWriter } = this.parts;
    const previous = await Promise.all(changes.map((change) => this.previousOf(namespaceId, change)));
    await stateWriter.write((batch) => {
      let bytes = 0;
      for (const [at, change] of changes.entries()) {
        const { generation, revision, ordinal } = change;
        bytes += revisionKey(this.writer, namespaceId, revision, ordinal).deleteFrom(batch);
        this.space.noteRemoved(change.key.length + RECORD_OVERHEAD_BYTES);
        // The keys of a generation that ended are removed as such.
        const space = { namespaceId, generation };
        if (change.kind === "truncate" || !floors.isPresent(space)) continue;
        bytes += this.removePrevious(batch, space, change.key, previous[at] ?? null);
        if (change.kind === "delete") bytes += this.removeDeletion(batch, space, change);
      }
      return bytes;
    }, null);
  }

  /** Older versions only ever go here, one slice after another: what is found stays true until the slice is written. */
  private async previousOf(namespaceId: number, change: StoredChange): Promise<PreviousVersion | null> {
    const { kind, generation, key, revision, previous } = change;
    const space = { namespaceId, generation };
    if (kind === "truncate" || previous !== null || !this.parts.floors.isPresent(space)) return previous;
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
    // All writes before this one are done, and none runs beside it: what is newest now is so when it is removed.
    if (this.parts.source.isDeletedAt(space, key, revision)) {
      bytes += newestKey(this.writer, namespaceId, generation, key).deleteFrom(batch);
      this.space.noteRemoved(key.length + RECORD_OVERHEAD_BYTES);
    }
    return bytes;
  }
}
