import type { StoredRecord } from "#kv";
import {
  type FrozenState,
  type ImageChunk,
  type ImageHeader,
  type RangeQuery,
  StateReplaced,
} from "#replica";
import { assert } from "#std";
import type { DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { HistoryFloors } from "./history-floors";
import {
  chunkOf,
  HEAD_KEY,
  type ImageRow,
  LEVEL_IMAGE_FORMAT,
  positionOf,
  readPosition,
  rowBytes,
} from "./image-rows";
import { NEWEST_REVISION } from "./newest-records";
import type { RecordSource } from "./record-source";
import { kindOfKey, lastOfRevisionsKey, marksOfRevisionsKey, RANGE_OF_IMAGE } from "./state-layout";
import { readHead } from "./state-records";
import { scanSnapshot } from "./state-scan";
import type { StateWriter } from "./state-writer";

const ROWS_PER_READ = 4096;

/** What a state is frozen by. */
export interface FrozenParts {
  readonly handle: DatabaseHandle;
  readonly source: RecordSource;
  readonly writer: Pick<StateWriter, "written" | "snapshot">;
  /** As of the last write. */
  readonly floors: Pick<HistoryFloors, "copy">;
}

/** The state of a moment: a snapshot of what was written when it is made, which LevelDB may have a little later. */
export class LevelFrozenState implements FrozenState {
  readonly header: ImageHeader;
  private readonly handle: DatabaseHandle;
  private readonly source: RecordSource;
  private readonly floors: HistoryFloors;
  private readonly snapshot: Promise<DatabaseSnapshot>;
  private readers = 0;
  private isClosed = false;

  constructor(
    { handle, source, writer, floors }: FrozenParts,
    private readonly limits: { readonly scanChunkBytes: number; readonly imageChunkBytes: number },
    private readonly onReleased: () => void,
  ) {
    handle.check();
    this.handle = handle;
    this.source = source;
    this.floors = floors.copy();
    const { applied, meta } = writer.written;
    this.header = { format: LEVEL_IMAGE_FORMAT, applied, revision: meta.revision };
    this.snapshot = writer.snapshot(NEWEST_REVISION);
    // Who reads it meets the failure.
    this.snapshot.catch(() => undefined);
  }

  async *chunks(after: Uint8Array | null): AsyncGenerator<ImageChunk> {
    this.open();
    try {
      yield* this.packed(after);
    } finally {
      this.release();
    }
  }

  async *scan(query: Omit<RangeQuery, "revision">): AsyncGenerator<readonly StoredRecord[]> {
    this.open();
    try {
      const { handle, source } = this;
      const snapshot = await this.snapshot;
      const parts = { handle, source, snapshot, filling: null };
      const asOfNow = { ...query, revision: NEWEST_REVISION };
      for await (const chunk of scanSnapshot(parts, asOfNow, this.limits.scanChunkBytes)) {
        yield chunk;
        this.check();
      }
    } finally {
      this.release();
    }
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.closeUnread();
  }

  private async *packed(after: Uint8Array | null): AsyncGenerator<ImageChunk> {
    let { rowCount, lastKey } =
      after === null ? { rowCount: 0, lastKey: new Uint8Array() } : readPosition(after);
    let pending: ImageRow[] = [];
    let pendingBytes = 0;
    const taken = (isLast: boolean): ImageChunk => {
      rowCount += pending.length;
      lastKey = pending.at(-1)?.[0] ?? lastKey;
      const chunk = chunkOf(pending, { position: positionOf(rowCount, lastKey), isLast });
      pending = [];
      pendingBytes = 0;
      return chunk;
    };
    for await (const rows of this.rowsAfter(lastKey)) {
      for (const row of rows) {
        const bytes = rowBytes(row);
        if (pendingBytes + bytes > this.limits.imageChunkBytes && pending.length > 0) {
          yield taken(false);
          this.check();
        }
        pending.push(row);
        pendingBytes += bytes;
      }
    }
    yield taken(true);
  }

  private async *rowsAfter(key: Uint8Array): AsyncGenerator<readonly ImageRow[]> {
    const snapshot = await this.snapshot;
    this.check();
    if (key.length === 0) yield [this.headOf(snapshot)];
    const isAtStart = key.length === 0 || kindOfKey(key) === "head";
    const iterator = this.handle.database.iterator({
      ...(isAtStart ? { gte: RANGE_OF_IMAGE.gte } : { gt: key }),
      lt: RANGE_OF_IMAGE.lt,
      snapshot,
      highWaterMarkBytes: this.limits.imageChunkBytes,
    });
    try {
      for (;;) {
        const rows = await this.nextRows(iterator);
        if (rows.length === 0) return;
        // Bytes that rotted here are not to be taken for damage on the way.
        for (const [rowKey, value] of rows) this.source.checked(rowKey, value);
        yield rows.filter(([rowKey]) => !this.isGivenUp(rowKey));
        this.check();
      }
    } finally {
      await iterator.close();
    }
  }

  /** Whether nobody needs a row: of history that was given up those are sent that tell what else is to be removed. */
  private isGivenUp(key: Uint8Array): boolean {
    if (kindOfKey(key) !== "revision") return false;
    const { hasDeletions, hasApart } = marksOfRevisionsKey(key);
    if (hasDeletions || hasApart) return false;
    const { namespaceId, revision } = lastOfRevisionsKey(key);
    return revision <= (this.floors.givenUpTo(namespaceId) ?? 0);
  }

  private headOf(snapshot: DatabaseSnapshot): ImageRow {
    const stored = this.handle.get(HEAD_KEY, snapshot);
    if (stored === undefined) throw this.handle.damaged("the record of what it has applied is missing");
    const { applied, meta } = readHead(this.source.checked(HEAD_KEY, stored));
    assert(applied.index === this.header.applied.index, "a frozen state is of the entry that it says");
    assert(meta.revision === this.header.revision, "a frozen state is of the revision that it says");
    return [HEAD_KEY, stored];
  }

  private async nextRows(iterator: {
    nextv(count: number): Promise<[Uint8Array, Uint8Array][]>;
  }): Promise<readonly ImageRow[]> {
    try {
      const rows = await iterator.nextv(ROWS_PER_READ);
      this.check();
      return rows;
    } catch (error) {
      if (error instanceof StateReplaced) throw error;
      throw this.handle.fault("could not be read", error);
    }
  }

  private check(): void {
    this.handle.check();
    if (this.isClosed) throw new StateReplaced();
  }

  private open(): void {
    this.check();
    this.readers += 1;
  }

  private release(): void {
    assert(this.readers > 0, "who reads a frozen state has opened it");
    this.readers -= 1;
    this.closeUnread();
  }

  /** What is being read keeps its snapshot until the reader noticed. */
  private closeUnread(): void {
    if (!this.isClosed || this.readers > 0) return;
    // Closing the database closes its snapshots too, and then there is nothing left to do here.
    this.snapshot
      .then((snapshot) => snapshot.close())
      .then(
        () => this.onReleased(),
        (error: unknown) => this.handle.fault("could not give up a snapshot", error),
      );
  }
}
