import type { StateMeta } from "#kv";
import type { EntryId } from "#raft";
import { forceIntoTables } from "./checkpoint";
import type { ChainedBatch } from "./database";
import type { DatabaseHandle } from "./database-handle";
import { RecordWriter } from "./record-writer";
import { batchKey } from "./state-layout";
import { type StateHead, writeBatchNumber, writeHead } from "./state-records";

/** When a checkpoint is made: after so many bytes were written, or so many batches. */
export interface CheckpointLimits {
  readonly checkpointBytes: number;
  readonly checkpointBatches: number;
}

/** Numbers that one batch removes at most, so that no batch grows by what a checkpoint covered. */
const NUMBERS_REMOVED_MAX = 64;

/** A checkpoint that was under way covers only what was written before it, and LevelDB may not have dropped its log yet. */
const ATTEMPTS_MAX = 4;

/**
 * Writes batches one after another, each with its consecutive number, none synced; and makes checkpoints. LevelDB may
 * lose an unsynced batch and keep a later one (architecture, Durability): the numbers tell when the state is opened.
 */
export class StateWriter {
  private head: StateHead;
  private durable: { readonly batchNumber: number; readonly index: number };
  private oldestNumber: number;
  private bytesSinceCheckpoint = 0;
  private batchesSinceCheckpoint = 0;
  private queue: Promise<void> = Promise.resolve();
  private checkpointing: Promise<void> | null = null;
  private readonly writer = new RecordWriter();

  /** @param oldestNumber the lowest batch number that is still stored */
  constructor(
    private readonly handle: DatabaseHandle,
    found: { readonly head: StateHead; readonly oldestNumber: number },
    private readonly limits: CheckpointLimits,
  ) {
    this.head = found.head;
    this.oldestNumber = found.oldestNumber;
    // What LevelDB recovers from its log on opening goes into a synced table at once, so all that was found is durable.
    this.durable = { batchNumber: found.head.batchNumber, index: found.head.applied.index };
  }

  get appliedIndex(): number {
    return this.head.applied.index;
  }

  /** Up to this index no crash takes the state back. */
  get checkpointIndex(): number {
    return this.durable.index;
  }

  /**
   * Writes what `put` puts, after all that was asked for before; `put` runs when its turn has come and returns the
   * bytes. Without `advance` the applied entry and the counters stay as they are.
   */
  write(
    put: (batch: ChainedBatch) => number,
    advance: { readonly applied: EntryId; readonly meta: StateMeta } | null,
  ): Promise<void> {
    const written = this.queue.then(() => this.writeNow(put, advance));
    this.queue = written.catch(() => undefined);
    return written;
  }

  /** Makes a checkpoint of all that was asked for so far; resolves when it is durable. */
  async checkpoint(): Promise<void> {
    await this.queue;
    const wanted = this.head.batchNumber;
    for (let attempt = 0; this.durable.batchNumber < wanted && attempt < ATTEMPTS_MAX; attempt += 1) {
      this.handle.check();
      await (this.checkpointing ?? this.beginCheckpoint());
    }
    this.handle.check();
    if (this.durable.batchNumber < wanted) {
      throw this.handle.end("could not make a checkpoint", { dataLoss: false });
    }
  }

  /** Resolves when what was asked for so far has ended, a checkpoint included. */
  async settle(): Promise<void> {
    await this.queue;
    await this.checkpointing;
  }

  private async writeNow(
    put: (batch: ChainedBatch) => number,
    advance: { readonly applied: EntryId; readonly meta: StateMeta } | null,
  ): Promise<void> {
    this.handle.check();
    const head: StateHead = {
      batchNumber: this.head.batchNumber + 1,
      checkpointNumber: this.durable.batchNumber,
      applied: advance?.applied ?? this.head.applied,
      meta: advance?.meta ?? this.head.meta,
    };
    const batch = this.handle.database.batch();
    let bytes = put(batch);
    const oldestNumber = Math.min(head.checkpointNumber + 1, this.oldestNumber + NUMBERS_REMOVED_MAX);
    for (let number = this.oldestNumber; number < oldestNumber; number += 1) {
      bytes += batchKey(this.writer, number).deleteFrom(batch);
    }
    bytes += writeBatchNumber(this.writer, head.batchNumber).putInto(batch).bytes;
    bytes += writeHead(this.writer, head).putInto(batch).bytes;
    await this.handle.write(batch, { sync: false });
    this.head = head;
    this.oldestNumber = oldestNumber;
    this.bytesSinceCheckpoint += bytes;
    this.batchesSinceCheckpoint += 1;
    this.maybeCheckpoint();
  }

  private maybeCheckpoint(): void {
    const { checkpointBytes, checkpointBatches } = this.limits;
    const isDue =
      this.bytesSinceCheckpoint >= checkpointBytes || this.batchesSinceCheckpoint >= checkpointBatches;
    if (!isDue || this.checkpointing !== null) return;
    void this.beginCheckpoint();
  }

  private beginCheckpoint(): Promise<void> {
    this.bytesSinceCheckpoint = 0;
    this.batchesSinceCheckpoint = 0;
    this.checkpointing = this.makeCheckpoint().finally(() => {
      this.checkpointing = null;
    });
    return this.checkpointing;
  }

  /** Writes go on meanwhile; those that complete after it began are not counted in. Where it failed the next one is due later. */
  private async makeCheckpoint(): Promise<void> {
    const { batchNumber, applied } = this.head;
    try {
      if (await forceIntoTables(this.handle.database)) this.durable = { batchNumber, index: applied.index };
    } catch (error) {
      // Nothing was written by us and the old checkpoint stands, but a database that cannot compact is not to be trusted.
      this.handle.fault("could not make a checkpoint", error);
    }
  }
}
