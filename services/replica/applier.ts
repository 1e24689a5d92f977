import {
  type Answer,
  type CheckedCommand,
  changeMembershipCommand,
  checkedCommand,
  readCommand,
  type StateMachine,
  type StateReads,
  type StateView,
  type StateWrites,
} from "#kv";
import { type Configuration, type Entry, type EntryId, leftConfiguration } from "#raft";
import { assert } from "#std";
import { ApplyPatience } from "./apply-patience";
import { type StateStore, StoreFailure } from "./ports";
import { VisibleState } from "./visible-state";

const BATCH_ENTRIES_MAX = 1024;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** Values that the commands of a batch may want to read: each can be as long as a value may be, and all are held at once. */
const BATCH_VALUES_MAX = 256;
/** Keys that the commands of a batch read: to end a lease is a small command that reads, and deletes, 10,000. */
const BATCH_KEYS_MAX = 16_384;

/** A committed entry with its answer: null for one that holds no command (the no-op of a new leader). */
export interface AppliedEntry {
  readonly id: EntryId;
  /** null too for one that was skipped, see Applier.replaced(): what it did is in the state that was installed. */
  readonly answer: Answer | null;
  /** Who takes part from this entry on, where it changed that. */
  readonly configuration: Configuration | null;
}

/** What is applied together. */
interface TakenBatch {
  readonly entries: readonly Entry[];
  /** Of those entries that hold one. */
  readonly commands: readonly (CheckedCommand | null)[];
  readonly reads: StateReads;
}

/** What was to be done between batches will not be: no batch comes any more. */
export class ApplierStopped extends Error {
  constructor() {
    super("the replica has stopped");
    this.name = "ApplierStopped";
  }
}

/**
 * Applies committed entries in order: takes as many as wait, reads what they need from the store in one go, applies
 * them synchronously, writes the outcome in one batch, and only then reports them.
 *
 * How entries are cut into batches differs from replica to replica, so it must never show. Keys are read as of the
 * start of the batch and overlaid with the batch's own writes; a command that says so starts a batch of its own, such as
 * one that reads ranges, for a range cut off at its limit cannot be overlaid exactly.
 */
export class Applier {
  /** What reads may see; in step with `applied`. */
  readonly visible: VisibleState;
  private queue: Entry[] = [];
  /** Whether a batch or an errand is under way. */
  private isBusy = false;
  private stopped = false;
  private readonly patience: ApplyPatience;
  /** Of what is under way and has to wait, and of what follows it at once. */
  private ending: Promise<void> = Promise.resolve();
  private appliedId: EntryId;
  private takenIndex: number;
  private errands: { readonly run: () => Promise<void>; readonly drop: () => void }[] = [];

  constructor(
    private machine: StateMachine,
    private readonly store: StateStore,
    applied: EntryId,
    private readonly on: {
      /** The store has written a batch, and reads may see it. */
      readonly written: (writes: StateWrites) => void;
      readonly applied: (entries: readonly AppliedEntry[]) => void;
      readonly failed: (failure: StoreFailure) => void;
    },
    /** Whether somebody waits for what is applied: else it may be applied later, with more. */
    isAwaited: () => boolean = () => true,
  ) {
    this.patience = new ApplyPatience(isAwaited);
    this.visible = new VisibleState(machine.resident());
    this.appliedId = applied;
    this.takenIndex = applied.index;
  }

  /** The last entry whose effects are in the store. */
  get applied(): EntryId {
    return this.appliedId;
  }

  /**
   * Takes committed entries that are durable here, and applies them until nothing is left or something has to wait for the
   * store: mostly all that is read is in memory, and what is written goes there. Then it all comes to pass in this call, and
   * no promise is made for it. Few entries that nobody waits for are left for catchUp(), or for more to come with them.
   */
  push(entries: readonly Entry[]): void {
    if (this.stopped) return;
    if (entries.length > 0) {
      const expected = (this.queue.at(-1)?.index ?? this.takenIndex) + 1;
      assert(entries[0]!.index === expected, "committed entries are consecutive");
      for (const entry of entries) this.queue.push(entry);
    }
    if (this.queue.length > 0 && !this.patience.allows(entries)) this.goOn();
  }

  /**
   * Applies what has been left to wait. @returns null when that is done, nothing waited, or a batch is under way, which what
   * waits follows at once; else resolves when it is done
   */
  catchUp(): Promise<void> | null {
    if (this.queue.length === 0 || this.isBusy) return null;
    this.goOn();
    return this.isBusy ? this.ending : null;
  }

  private goOn(): void {
    if (!this.isBusy) this.doNext();
  }

  /** Runs between batches, while nothing is applied; everything else goes on. Rejects as `run` does, or when stopped. */
  exclusive<T>(run: (applied: EntryId) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const drop = (): void => reject(new ApplierStopped());
      if (this.stopped) {
        drop();
        return;
      }
      this.errands.push({ run: () => run(this.appliedId).then(resolve, reject), drop });
      this.goOn();
    });
  }

  /**
   * Another state is in the store, which has applied more; only from within exclusive(). Entries up to there that are on
   * their way are reported as applied and not carried out.
   */
  replaced(machine: StateMachine, applied: EntryId): void {
    assert(applied.index >= this.appliedId.index, "a state is not replaced by an older one");
    this.machine = machine;
    this.visible.replaced(machine.resident());
    this.appliedId = applied;
  }

  /** The log goes on after the applied entry: what was on its way is gone. Only from within exclusive(). */
  restarted(): void {
    this.queue = [];
    this.takenIndex = this.appliedId.index;
  }

  /** The one whose state is in the store, but for a batch that is being written. */
  get stateMachine(): StateMachine {
    return this.machine;
  }

  /** Takes no more, and resolves when the batch under way has ended. */
  async stop(): Promise<void> {
    this.end();
    while (this.isBusy) await this.ending;
  }

  private end(): void {
    this.stopped = true;
    this.queue = [];
    const dropped = this.errands;
    this.errands = [];
    for (const { drop } of dropped) drop();
  }

  private doNext(): void {
    this.isBusy = true;
    this.patience.ended();
    try {
      this.doWaiting();
    } catch (fault) {
      // Of ours: what of the batch was done is not known, and nothing may follow it.
      this.end();
      this.isBusy = false;
      throw fault;
    }
  }

  private doWaiting(): void {
    while (this.queue.length > 0 || this.errands.length > 0) {
      const errand = this.errands.shift();
      const ending = errand === undefined ? this.applyNext() : errand.run();
      if (ending === null) continue;
      this.ending = ending.then(
        () => this.doNext(),
        (failure: unknown) => this.fail(failure),
      );
      return;
    }
    this.isBusy = false;
  }

  private fail(failure: unknown): void {
    this.end();
    this.isBusy = false;
    if (!(failure instanceof StoreFailure)) throw failure;
    this.on.failed(failure);
  }

  /** @returns null when it is done; else resolves when it is */
  private applyNext(): Promise<unknown> | null {
    const skipped = this.takeSkipped();
    if (skipped.length > 0) {
      this.on.applied(skipped);
      return null;
    }
    const batch = this.takeBatch();
    const last = batch.entries[batch.entries.length - 1]!;
    this.takenIndex = last.index;
    if (batch.commands.length === 0) {
      this.report(batch, last, []);
      return null;
    }
    const view = this.store.read(batch.reads);
    return "then" in view ? view.then((found) => this.run(batch, last, found)) : this.run(batch, last, view);
  }

  private run(batch: TakenBatch, last: Entry, view: StateView): Promise<void> | null {
    const { commands } = batch;
    const done = this.machine.apply(commands, view);
    const { answers, writes } = done;
    assert(answers.length === commands.length, "each command has an answer");
    const written = this.store.write({ applied: { term: last.term, index: last.index }, writes });
    if (written !== null) return written.then(() => this.finish(batch, last, done));
    this.finish(batch, last, done);
    return null;
  }

  /** What the installed state has applied already. */
  private takeSkipped(): readonly AppliedEntry[] {
    const first = this.queue[0];
    const count =
      first === undefined ? 0 : Math.min(this.queue.length, this.appliedId.index - first.index + 1);
    if (count <= 0) return [];
    // In one go: so many may have come while a state was brought that to shift each would take seconds.
    const skipped = this.queue.slice(0, count);
    this.queue = this.queue.slice(count);
    this.takenIndex = skipped.at(-1)?.index ?? this.takenIndex;
    return skipped.map(({ term, index, kind }) => ({
      id: { term, index },
      answer: null,
      configuration: kind === "normal" ? null : this.machine.membership.configuration,
    }));
  }

  private finish(
    batch: TakenBatch,
    last: Entry,
    { answers, writes }: { readonly answers: readonly Answer[]; readonly writes: StateWrites },
  ): void {
    this.appliedId = { term: last.term, index: last.index };
    this.visible.written(writes);
    this.on.written(writes);
    this.report(batch, last, answers);
  }

  private report({ entries }: TakenBatch, last: Entry, answers: readonly Answer[]): void {
    this.appliedId = { term: last.term, index: last.index };
    if (this.stopped) return;
    let next = 0;
    this.on.applied(
      entries.map((entry) => ({
        // It is its own id, and each put is told of here on each member.
        id: entry,
        answer: isEmpty(entry) ? null : answers[next++]!,
        configuration: entry.kind === "normal" ? null : this.machine.membership.configuration,
      })),
    );
  }

  private takeBatch(): TakenBatch {
    const commands: (CheckedCommand | null)[] = [];
    const keys: StateReads["keys"][number][] = [];
    let ranges: StateReads["ranges"] = [];
    let bytes = 0;
    let values = 0;
    let count = 0;
    while (count < this.queue.length && count < BATCH_ENTRIES_MAX) {
      const entry = this.queue[count]!;
      const changesConfiguration = entry.kind !== "normal";
      bytes += entry.data.length;
      // A change of the configuration is alone: what the core decides by it begins and ends with its entry.
      if (count > 0 && (bytes > BATCH_BYTES_MAX || changesConfiguration)) break;
      if (!isEmpty(entry)) {
        const command = this.commandOf(entry);
        const reads = this.machine.reads(command);
        for (const { withValue } of reads.keys) if (withValue) values += 1;
        const isTooMuch = values > BATCH_VALUES_MAX || keys.length + reads.keys.length > BATCH_KEYS_MAX;
        if (commands.length > 0 && (reads.startsBatch || isTooMuch)) break;
        if (reads.startsBatch) ranges = reads.ranges;
        for (const key of reads.keys) keys.push(key);
        commands.push(command);
        if (reads.endsBatch) {
          count += 1;
          break;
        }
      }
      count += 1;
      if (changesConfiguration) break;
    }
    const entries = this.queue.slice(0, count);
    this.queue = count === this.queue.length ? [] : this.queue.slice(count);
    return { entries, commands, reads: { keys, ranges } };
  }

  private commandOf(entry: Entry): CheckedCommand | null {
    if (entry.data.length > 0) return readCommand(entry.data);
    // The core's own entry, which ends a joint configuration.
    const { configuration } = this.machine.membership;
    return checkedCommand(changeMembershipCommand(leftConfiguration(configuration), [], 0));
  }
}

/** Whether the entry holds nothing for the machine: the no-op of a new leader. */
function isEmpty(entry: Entry): boolean {
  return entry.kind === "normal" && entry.data.length === 0;
}
