import type { StateMeta } from "#kv";
import type { EntryId } from "#raft";
import { forceIntoTables } from "./checkpoint";
import type { ChainedBatch, DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { WrittenVersion } from "./gathered-rows";
import type { GatheredWrites } from "./gathered-writes";
import type { KeySpace } from "./key-hash";
import { RecordWriter } from "./record-writer";
import type { StateChanges } from "./state-changes";
import { batchKey } from "./state-layout";
import { type StateHead, writeBatchNumber, writeHead } from "./state-records";
import { type GatheringLimits, WriteBehind } from "./write-behind";

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
 * Writes batches behind whoever asks for it, each with its consecutive number, none synced; and makes checkpoints.
 * LevelDB may lose an unsynced batch and keep a later one (architecture, Durability): the numbers tell when the state is
 * opened.
 */
export class StateWriter {
  /** Of the last batch that LevelDB was given. */
  private batchNumber: number;
  /** As of the last write, which LevelDB may not have yet. */
  private present: { readonly applied: EntryId; readonly meta: StateMeta };
  /** Of the last batch that LevelDB has. */
  private stored: StateHead;
  private durable: { readonly batchNumber: number; readonly index: number };
  private oldestNumber: number;
  private bytesSinceCheckpoint = 0;
  private batchesSinceCheckpoint = 0;
  private checkpointing: Promise<void> | null = null;
  private readonly behind: WriteBehind;
  private readonly writer = new RecordWriter();

  /** @param oldestNumber the lowest batch number that is still stored */
  constructor(
    private readonly handle: DatabaseHandle,
    found: { readonly head: StateHead; readonly oldestNumber: number },
    private readonly limits: CheckpointLimits & GatheringLimits,
    changes: StateChanges,
  ) {
    this.present = found.head;
    this.stored = found.head;
    this.batchNumber = found.head.batchNumber;
    this.oldestNumber = found.oldestNumber;
    // What LevelDB recovers from its log on opening goes into a synced table at once, so all that was found is durable.
    this.durable = { batchNumber: found.head.batchNumber, index: found.head.applied.index };
    this.behind = new WriteBehind(handle, limits, (gathered) => {
      const { present } = this;
      return (batch) => this.ended(batch, changes.putInto(batch, gathered), present);
    });
  }

  /** As of the last write. */
  get written(): { readonly applied: EntryId; readonly meta: StateMeta } {
    return this.present;
  }

  /** Up to this index no crash takes the state back. */
  get checkpointIndex(): number {
    return this.durable.index;
  }

  /**
   * Writes what `add` adds to what is gathered, together with the applied entry and the counters: it is run at once, and
   * from then on newestOf() and snapshots have it.
   *
   * @returns null where more may be written at once; else resolves when it may
   */
  apply(
    advance: { readonly applied: EntryId; readonly meta: StateMeta },
    add: (gathered: GatheredWrites) => void,
  ): Promise<void> | null {
    try {
      add(this.behind.gathering());
    } catch (error) {
      // Half of what belongs together is gathered.
      throw this.handle.fault("could not be written", error);
    }
    this.present = { applied: advance.applied, meta: advance.meta };
    return this.behind.noteAdded();
  }

  /**
   * Writes what `put` puts: a batch by itself, after all that was written before, and resolves when LevelDB has it. `put`
   * is run when its turn comes, and returns the bytes.
   */
  write(put: (batch: ChainedBatch) => number): Promise<void> {
    const { present } = this;
    return this.behind.put((batch) => this.ended(batch, put(batch), present));
  }

  /** What was written of a key at last; undefined where LevelDB has it. */
  newestOf(hash: number, space: KeySpace, key: Uint8Array): WrittenVersion | undefined {
    return this.behind.newestOf(hash, space, key);
  }

  /** Resolves when LevelDB has what was written so far. */
  flush(): Promise<void> {
    return this.behind.flush();
  }

  /**
   * In which all is that was written so far, and nothing that is written later. Where no more than a revision is asked
   * for, later changes and removals may lack in it, and it comes sooner.
   */
  async snapshot(revision: number): Promise<DatabaseSnapshot> {
    this.handle.check();
    // What LevelDB does not have yet is newer, or removes what nobody may ask for any more.
    return revision <= this.stored.meta.revision ? this.handle.database.snapshot() : this.behind.snapshot();
  }

  /** Makes a checkpoint of all that was written so far; resolves when it is durable. */
  async checkpoint(): Promise<void> {
    await this.behind.flush();
    const wanted = this.stored.batchNumber;
    for (let attempt = 0; this.durable.batchNumber < wanted && attempt < ATTEMPTS_MAX; attempt += 1) {
      this.handle.check();
      await (this.checkpointing ?? this.beginCheckpoint());
    }
    this.handle.check();
    if (this.durable.batchNumber < wanted) {
      throw this.handle.end("could not make a checkpoint", { dataLoss: false });
    }
  }

  /** Resolves when LevelDB has what was written so far, or the handle has ended; and a checkpoint too. */
  async settle(): Promise<void> {
    await this.behind.flush().catch(() => undefined);
    await this.checkpointing;
  }

  /** What LevelDB was not given yet is dropped. */
  drop(): void {
    this.behind.drop();
  }

  /** Puts what ends a batch. @param rowBytes of what is in it @param present what is written with it */
  private ended(
    batch: ChainedBatch,
    rowBytes: number,
    present: { readonly applied: EntryId; readonly meta: StateMeta },
  ): () => void {
    this.batchNumber += 1;
    const { applied, meta } = present;
    const { batchNumber, durable } = this;
    const head: StateHead = { batchNumber, applied, meta, checkpointNumber: durable.batchNumber };
    let bytes = rowBytes;
    const oldestNumber = Math.min(head.checkpointNumber + 1, this.oldestNumber + NUMBERS_REMOVED_MAX);
    for (let number = this.oldestNumber; number < oldestNumber; number += 1) {
      bytes += batchKey(this.writer, number).deleteFrom(batch);
    }
    this.oldestNumber = oldestNumber;
    bytes += writeBatchNumber(this.writer, head.batchNumber).putInto(batch).bytes;
    bytes += writeHead(this.writer, head).putInto(batch).bytes;
    return () => this.noteStored(head, bytes);
  }

  private noteStored(head: StateHead, bytes: number): void {
    this.stored = head;
    this.bytesSinceCheckpoint += bytes;
    this.batchesSinceCheckpoint += 1;
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
    const { batchNumber, applied } = this.stored;
    try {
      if (await forceIntoTables(this.handle.database)) this.durable = { batchNumber, index: applied.index };
    } catch (error) {
      // Nothing was written by us and the old checkpoint stands, but a database that cannot compact is not to be trusted.
      this.handle.fault("could not make a checkpoint", error);
    }
  }
}
