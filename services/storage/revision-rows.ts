import type { Change } from "#kv";
import type { ChainedBatch } from "./database";
import { RecordWriter } from "./record-writer";
import { NOTHING_SHARED, type SharedFields, writeChange } from "./revision-records";
import { revisionsKey } from "./state-layout";
import { mayHaveApart } from "./version-records";

/** Bounds of a row, the second with up to a change more. What was at an older revision is found by reading whole rows. */
const ROW_CHANGES_MAX = 64;
export const ROW_BYTES_MAX = 32 * 1024;

/** Rows that are kept to be used again: of a megabyte of changes, about. */
const FREE_ROWS_MAX = 32;
/** A row that holds more, by a change of it that is long, takes its memory along. */
const KEPT_BYTES_MAX = 2 * ROW_BYTES_MAX;

/**
 * Packs what is gathered into `revision` rows, each of one namespace, change by change as they come: so no change is kept as
 * an object until LevelDB's turn comes.
 */
export class RevisionRows {
  /** Those that take more, by namespace. */
  private readonly open = new Map<number, OpenRow>();
  private readonly full: OpenRow[] = [];
  private readonly free: OpenRow[] = [];
  private readonly keyWriter = new RecordWriter();

  /** Takes the next change, in their order. @param replaced see StoredChange; its bytes are copied */
  add(change: Change, replaced: Uint8Array): void {
    const { namespaceId } = change;
    let row = this.open.get(namespaceId);
    if (row === undefined) {
      row = this.free.pop() ?? new OpenRow();
      row.begin(namespaceId);
      this.open.set(namespaceId, row);
    }
    row.add(change, replaced);
    if (!row.isFull) return;
    this.open.delete(namespaceId);
    this.full.push(row);
  }

  /** @returns the bytes put */
  putInto(batch: ChainedBatch): number {
    let bytes = 0;
    for (const row of this.full) bytes += row.putInto(batch, this.keyWriter);
    for (const row of this.open.values()) bytes += row.putInto(batch, this.keyWriter);
    return bytes;
  }

  /** Forgets all of them. */
  clear(): void {
    for (const row of this.full) this.keep(row);
    for (const row of this.open.values()) this.keep(row);
    this.full.length = 0;
    this.open.clear();
  }

  private keep(row: OpenRow): void {
    if (this.free.length < FREE_ROWS_MAX && row.byteCount <= KEPT_BYTES_MAX) this.free.push(row);
  }
}

class OpenRow {
  private readonly writer = new RecordWriter();
  private namespaceId = 0;
  private changeCount = 0;
  private before: SharedFields = NOTHING_SHARED;
  private lastOrdinal = 0;
  private hasDeletions = false;
  private hasApart = false;

  get byteCount(): number {
    return this.writer.byteCount;
  }

  get isFull(): boolean {
    return this.changeCount >= ROW_CHANGES_MAX || this.writer.byteCount >= ROW_BYTES_MAX;
  }

  begin(namespaceId: number): void {
    this.writer.beginRow();
    this.namespaceId = namespaceId;
    this.changeCount = 0;
    this.before = NOTHING_SHARED;
    this.hasDeletions = false;
    this.hasApart = false;
  }

  add(change: Change, replaced: Uint8Array): void {
    this.before = writeChange(this.writer, change, replaced, this.before);
    this.changeCount += 1;
    this.lastOrdinal = change.ordinal;
    if (change.kind === "delete") this.hasDeletions = true;
    if (mayHaveApart(replaced)) this.hasApart = true;
  }

  putInto(batch: ChainedBatch, keyWriter: RecordWriter): number {
    const { hasDeletions, hasApart } = this;
    const last = { revision: this.before.revision, ordinal: this.lastOrdinal };
    const key = revisionsKey(keyWriter, this.namespaceId, last, { hasDeletions, hasApart }).row;
    return this.writer.putUnder(key, batch);
  }
}
