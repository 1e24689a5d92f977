import type { Entry, EntryId, HardState, Index } from "#raft";
import type { LogBatch, LogStore } from "#replica";

/** Is told of each write of the log when it is done. Times are of performance.now(). */
export interface LogObserver {
  appended(batch: LogBatch, sync: boolean, startMs: number, endMs: number): void;
}

/** The log store, each of its writes timed: two looks at the clock a write, nothing for what is read. */
export function observeLogStore(store: LogStore, observers: readonly LogObserver[]): LogStore {
  return observers.length === 0 ? store : new ObservedLogStore(store, observers);
}

class ObservedLogStore implements LogStore {
  constructor(
    private readonly store: LogStore,
    private readonly observers: readonly LogObserver[],
  ) {}

  get hardState(): HardState {
    return this.store.hardState;
  }

  get bytes(): number {
    return this.store.bytes;
  }

  get counters(): LogStore["counters"] {
    return this.store.counters;
  }

  firstIndex(): Index {
    return this.store.firstIndex();
  }

  lastIndex(): Index {
    return this.store.lastIndex();
  }

  term(index: Index): ReturnType<LogStore["term"]> {
    return this.store.term(index);
  }

  entries(range: Parameters<LogStore["entries"]>[0]): readonly Entry[] {
    return this.store.entries(range);
  }

  append(batch: LogBatch, options: { readonly sync: boolean }): Promise<void> {
    const startMs = performance.now();
    return this.store.append(batch, options).then(() => {
      const endMs = performance.now();
      for (const observer of this.observers) observer.appended(batch, options.sync, startMs, endMs);
    });
  }

  reset(entry: EntryId): Promise<void> {
    return this.store.reset(entry);
  }

  cut(index: Index): Promise<void> {
    return this.store.cut(index);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
