import type { Entry, HardState, Ready } from "#raft";
import { type LogStore, type Scheduler, StoreFailure } from "./ports";

/**
 * Makes Readys durable in their order, one write at a time. Readys that arrive while the disk works wait and go into
 * the next write together: one synced batch a turn, however many proposals it holds.
 *
 * The order of durability is all here: what a Ready asks to store is on disk before `durable` is called for it, and
 * `durable` is called in the order of the Readys. Only what Ready.messages carries may go out earlier.
 */
export class Persister {
  private queue: Ready[] = [];
  private isWriting = false;
  private stopped = false;
  /** Of the write under way, and of what is reported of it. */
  private ending: Promise<void> = Promise.resolve();
  /** A commit index that is not stored yet: a replay finds it out again, so it waits for the next write. */
  private lazyHardState: HardState | null = null;

  constructor(
    private readonly log: LogStore,
    private readonly on: {
      /** The Ready and all before it are durable. */
      readonly durable: (ready: Ready) => void;
      /** A group of Readys was handed out. */
      readonly settled: () => void;
      readonly failed: (failure: StoreFailure) => void;
    },
    private readonly scheduler: Pick<Scheduler, "takeIn"> = {},
  ) {}

  /** Whether what is pushed now waits for a write that is under way. */
  get isBusy(): boolean {
    return this.isWriting;
  }

  push(ready: Ready): void {
    if (this.stopped) return;
    if (!this.isWriting && !mustWrite(ready)) {
      this.lazyHardState = ready.hardState ?? this.lazyHardState;
      this.on.durable(ready);
      return;
    }
    this.queue.push(ready);
    if (!this.isWriting) this.writeQueued();
  }

  /** Resolves when everything that was pushed is durable and reported. */
  async settled(): Promise<void> {
    while (this.isWriting) await this.ending;
  }

  /** Takes no more, and resolves when the write under way has ended. */
  stop(): Promise<void> {
    this.stopped = true;
    return this.settled();
  }

  /** Writes what waits together; what of it need not be written is reported at once. */
  private writeQueued(): void {
    this.isWriting = true;
    while (this.queue.length > 0 && !this.stopped) {
      const group = this.queue;
      this.queue = [];
      const hardState = lastHardState(group) ?? this.lazyHardState;
      if (group.some(mustWrite)) {
        this.lazyHardState = null;
        this.ending = this.log.append({ entries: mergedEntries(group), hardState }, { sync: true }).then(
          () => this.takeInWritten(group),
          (failure: unknown) => this.fail(failure),
        );
        return;
      }
      this.lazyHardState = hardState;
      this.report(group);
    }
    this.isWriting = false;
  }

  private takeInWritten(group: readonly Ready[]): void {
    if (this.scheduler.takeIn === undefined) this.written(group);
    else this.scheduler.takeIn(this.written, group);
  }

  private readonly written = (group: readonly Ready[]): void => {
    if (!this.stopped) this.report(group);
    this.writeQueued();
  };

  private report(group: readonly Ready[]): void {
    for (const ready of group) this.on.durable(ready);
    this.on.settled();
  }

  private fail(failure: unknown): void {
    if (!(failure instanceof StoreFailure)) throw failure;
    this.stopped = true;
    this.queue = [];
    this.isWriting = false;
    this.on.failed(failure);
  }
}

function mustWrite(ready: Ready): boolean {
  return ready.mustSync || ready.entries.length > 0;
}

function lastHardState(group: readonly Ready[]): HardState | null {
  for (let at = group.length - 1; at >= 0; at -= 1) {
    const { hardState } = group[at]!;
    if (hardState !== null) return hardState;
  }
  return null;
}

/** What the log holds after the Readys one after another: a later one replaces everything from its first entry on. */
export function mergedEntries(group: readonly Ready[]): readonly Entry[] {
  if (group.length === 1) return group[0]!.entries;
  const merged: Entry[] = [];
  for (const { entries } of group) {
    const first = entries[0];
    if (first === undefined) continue;
    while (merged.length > 0 && merged[merged.length - 1]!.index >= first.index) merged.pop();
    for (const entry of entries) merged.push(entry);
  }
  return merged;
}
