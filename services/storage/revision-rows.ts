import type { ChainedBatch } from "./database";
import { RecordWriter } from "./record-writer";
import { keyOfChange, type WrittenChange, writeRevisions } from "./revision-records";

/** Bounds of a row; a change whose key is longer ends its row. */
const ROW_CHANGES_MAX = 64;
const ROW_KEY_BYTES_MAX = 8 * 1024;

interface Pending {
  readonly changes: WrittenChange[];
  keyBytes: number;
}

/** Packs what a batch changed into `revision` rows, each of one namespace. */
export class RevisionRows {
  private readonly writer = new RecordWriter();
  /** What is not put yet, by namespace. */
  private readonly pending = new Map<number, Pending>();

  /** Takes the next change of the batch, in their order. @returns the bytes put, mostly none yet */
  add(batch: ChainedBatch, written: WrittenChange): number {
    const { change } = written;
    let pending = this.pending.get(change.namespaceId);
    if (pending === undefined) {
      pending = { changes: [], keyBytes: 0 };
      this.pending.set(change.namespaceId, pending);
    }
    pending.changes.push(written);
    if (change.kind !== "truncate") pending.keyBytes += keyOfChange(change).length;
    const isFull = pending.changes.length >= ROW_CHANGES_MAX || pending.keyBytes >= ROW_KEY_BYTES_MAX;
    if (!isFull) return 0;
    this.pending.delete(change.namespaceId);
    return this.put(batch, pending);
  }

  /** Puts what is left of the batch. @returns the bytes put */
  finish(batch: ChainedBatch): number {
    let bytes = 0;
    for (const pending of this.pending.values()) bytes += this.put(batch, pending);
    this.pending.clear();
    return bytes;
  }

  private put(batch: ChainedBatch, { changes }: Pending): number {
    return writeRevisions(this.writer, changes).putInto(batch).bytes;
  }
}
