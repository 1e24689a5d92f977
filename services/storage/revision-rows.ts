import type { ChainedBatch } from "./database";
import { RecordWriter } from "./record-writer";
import { NOTHING_SHARED, type SharedFields, type WrittenChange, writeChange } from "./revision-records";
import { revisionsKey } from "./state-layout";
import { mayHaveApart } from "./version-records";

/** Bounds of a row, the second with up to a change more. What was at an older revision is found by reading whole rows. */
const ROW_CHANGES_MAX = 64;
export const ROW_BYTES_MAX = 32 * 1024;

/** Packs what a batch changed into `revision` rows, each of one namespace. */
export class RevisionRows {
  /** What is not put yet, by namespace. */
  private readonly open = new Map<number, OpenRow>();
  /** Rows that are used again. */
  private readonly free: OpenRow[] = [];
  private readonly keyWriter = new RecordWriter();

  /** Takes the next change of the batch, in their order. @returns the bytes put, mostly none yet */
  add(batch: ChainedBatch, written: WrittenChange): number {
    const { namespaceId } = written.change;
    let row = this.open.get(namespaceId);
    if (row === undefined) {
      row = this.free.pop() ?? new OpenRow();
      row.begin(namespaceId);
      this.open.set(namespaceId, row);
    }
    row.add(written);
    if (!row.isFull) return 0;
    this.open.delete(namespaceId);
    return this.put(batch, row);
  }

  /** Puts what is left of the batch. @returns the bytes put */
  finish(batch: ChainedBatch): number {
    let bytes = 0;
    for (const row of this.open.values()) bytes += this.put(batch, row);
    this.open.clear();
    return bytes;
  }

  private put(batch: ChainedBatch, row: OpenRow): number {
    if (this.free.length < FREE_ROWS_MAX) this.free.push(row);
    return row.putInto(batch, this.keyWriter);
  }
}

/** Mostly there is one namespace; memory for more than these is made anew. */
const FREE_ROWS_MAX = 4;

class OpenRow {
  private readonly writer = new RecordWriter();
  private namespaceId = 0;
  private changeCount = 0;
  private before: SharedFields = NOTHING_SHARED;
  private lastOrdinal = 0;
  private hasDeletions = false;
  private hasApart = false;

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

  add(written: WrittenChange): void {
    const { change, replaced } = written;
    this.before = writeChange(this.writer, written, this.before);
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
