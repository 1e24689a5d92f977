import { byteKey, type MembershipState, NO_MEMBERS, type ResidentState, type StateWrites } from "#kv";
import type { EntryId } from "#raft";
import type { RecordRepair } from "#replica";
import { assert } from "#std";
import type { ChangeLog } from "./change-log";
import { DiskFaults } from "./disk-faults";
import type { Generation } from "./generation";
import { StateContents } from "./state-contents";
import type { Undo } from "./undo";

/** A state that outlives the store that writes it. It remembers how to undo each batch since the last checkpoint. */
export class MemoryStateDisk {
  /** Hooks and failures to come. */
  readonly faults = new DiskFaults();
  private present: StateContents;
  /** One list a batch, oldest first. */
  private undos: Undo[][] = [];
  /** Those up to the checkpoint that rollBack() may still undo, oldest first. */
  private durableUndos: Undo[][] = [];
  private durableIndex = 0;
  private damaged = false;

  /**
   * @param checkpointBatches a checkpoint is made by itself after so many batches
   * @param keptBatches how many batches before the checkpoint rollBack() can go back
   * @param founding the members of the cluster when it began
   */
  constructor(
    private readonly checkpointBatches = 64,
    private readonly keptBatches = 0,
    private readonly founding: MembershipState = NO_MEMBERS,
  ) {
    assert(checkpointBatches >= 1, "a checkpoint covers at least one batch");
    this.present = StateContents.founding(founding);
  }

  get applied(): EntryId {
    return this.present.applied;
  }

  /** Of the last change. */
  get revision(): number {
    return this.present.revision;
  }

  get checkpointIndex(): number {
    return this.durableIndex;
  }

  /** Batches that a crash could lose. */
  get unsyncedBatches(): number {
    return this.undos.length;
  }

  /** Batches that rollBack() could take back; an installed state counts as one. */
  get knownBatches(): number {
    return this.durableUndos.length + this.undos.length;
  }

  /** A hole has come to be in what is stored: a store that is opened finds it, and starts empty. */
  get isDamaged(): boolean {
    return this.damaged;
  }

  damage(): void {
    this.damaged = true;
  }

  /**
   * Changes what is stored of a key behind the store's back, as a fault of its own would: the newest version gets
   * another value, or goes (null), or comes to be where there was none. False where there was nothing to take away.
   */
  corruptRecord(change: {
    readonly namespaceId: number;
    readonly generation: number;
    readonly key: Uint8Array;
    readonly value: Uint8Array | null;
  }): boolean {
    const { namespaceId, generation, key, value } = change;
    const records = this.generation(namespaceId, generation);
    const stored = records.get(byteKey(key), Number.MAX_SAFE_INTEGER);
    if (value === null) {
      if (stored === null) return false;
      records.repair(byteKey(key), null);
      return true;
    }
    const { revision } = this;
    const before = stored ?? { key, createRevision: revision, modRevision: revision, version: 1, leaseId: 0 };
    records.repair(byteKey(key), { ...before, value, valueBytes: value.length });
    return true;
  }

  /** In the order of ids, sequences and names. */
  resident(): ResidentState {
    return this.present.resident();
  }

  /** The generation that a namespace is in; 0 for an unknown namespace. */
  presentGeneration(namespaceId: number): number {
    return this.present.presentGeneration(namespaceId);
  }

  /** Whether a generation, as it was at that revision, can be read. */
  isReadable(namespaceId: number, generation: number, revision: number): boolean {
    return this.present.isReadable(namespaceId, generation, revision);
  }

  /** Whether what changed at a revision can be told. */
  isTold(namespaceId: number, revision: number): boolean {
    return this.present.isTold(namespaceId, revision);
  }

  changeLog(namespaceId: number): ChangeLog {
    return this.present.changeLog(namespaceId);
  }

  generation(namespaceId: number, generation: number): Generation {
    return this.present.generation(namespaceId, generation);
  }

  write(applied: EntryId, writes: StateWrites): void {
    this.noteBatch(this.present.write(applied, writes));
  }

  repair(repairs: readonly RecordRepair[]): void {
    this.noteBatch(this.present.repair(repairs));
  }

  /** All that is there now, unmoved by what is written later. */
  copy(): StateContents {
    return this.present.copy();
  }

  /** Takes another state in the place of this one, at once and for good. */
  install(contents: StateContents): void {
    const { present } = this;
    this.undos.push([
      () => {
        this.present = present;
      },
    ]);
    this.present = contents;
    this.damaged = false;
    this.checkpoint();
  }

  /** Makes all that was written safe from crashes. */
  checkpoint(): void {
    // What is given up as of a checkpoint stays so, for no crash takes back the batch that gave it up.
    this.undos.at(-1)?.push(...this.present.reclaim());
    if (this.keptBatches > 0) {
      this.durableUndos.push(...this.undos);
      this.durableUndos.splice(0, Math.max(0, this.durableUndos.length - this.keptBatches));
    }
    this.undos = [];
    this.durableIndex = this.applied.index;
  }

  /** A closed disk is replaced by an older copy of it: that of so many batches before, at most knownBatches. */
  rollBack({ batches }: { readonly batches: number }): void {
    assert(batches <= this.knownBatches, "a disk goes back only as far as it remembers");
    this.durableUndos.push(...this.undos);
    this.undos = [];
    for (let count = 0; count < batches; count += 1) {
      for (const undo of (this.durableUndos.pop() as Undo[]).reverse()) undo();
    }
    this.checkpoint();
  }

  /** All that is there is given up: it is as before the first command. */
  empty(): void {
    this.present = StateContents.founding(this.founding);
    this.undos = [];
    this.durableUndos = [];
    this.durableIndex = 0;
    this.damaged = false;
  }

  /**
   * Ends the open store and takes back the last batches, at most those since the last checkpoint. What is then there
   * is durable: the next store finds it so.
   */
  crash({ batchesLost }: { readonly batchesLost: number }): void {
    this.faults.release("the disk lost power");
    for (let lost = 0; lost < batchesLost && this.undos.length > 0; lost += 1) {
      for (const undo of (this.undos.pop() as Undo[]).reverse()) undo();
    }
    this.checkpoint();
  }

  private noteBatch(undo: Undo[]): void {
    this.undos.push(undo);
    if (this.undos.length >= this.checkpointBatches) this.checkpoint();
  }
}
