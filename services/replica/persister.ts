import type { Entry, HardState, Ready } from "#raft";
import { type LogStore, StoreFailure } from "./ports";

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
  private idle: Promise<void> = Promise.resolve();
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
    if (!this.isWriting) this.idle = this.drain();
  }

  /** Resolves when everything that was pushed is durable and reported, unless more is pushed meanwhile. */
  settled(): Promise<void> {
    return this.idle;
  }

  /** Takes no more, and resolves when the write under way has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.idle;
  }

  private async drain(): Promise<void> {
    this.isWriting = true;
    while (this.queue.length > 0) {
      const group = this.queue;
      this.queue = [];
      const hardState = lastHardState(group) ?? this.lazyHardState;
      const entries = mergedEntries(group);
      if (group.some(mustWrite)) {
        this.lazyHardState = null;
        try {
          await this.log.append({ entries, hardState }, { sync: true });
        } catch (failure) {
          if (!(failure instanceof StoreFailure)) throw failure;
          this.stopped = true;
          this.queue = [];
          this.on.failed(failure);
          break;
        }
      } else {
        this.lazyHardState = hardState;
      }
      if (this.stopped) break;
      for (const ready of group) this.on.durable(ready);
      this.on.settled();
    }
    this.isWriting = false;
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
