import type { Entry, EntryId, HardState, Term } from "#raft";
import type { LogBatch, LogStore } from "#replica";
import type { FailPoints } from "./fail-points";
import { StoreGuard } from "./guard";

/** The log store between fail points: its writes meet them, in their order; what is read synchronously passes. */
export function guardLogStore(store: LogStore, failPoints: FailPoints): LogStore {
  return new GuardedLogStore(store, failPoints);
}

class GuardedLogStore implements LogStore {
  private readonly guard: StoreGuard;
  private lastWrite: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: LogStore,
    failPoints: FailPoints,
  ) {
    this.guard = new StoreGuard(failPoints);
  }

  get hardState(): HardState {
    return this.store.hardState;
  }

  get counters(): LogStore["counters"] {
    return this.store.counters;
  }

  get bytes(): number {
    return this.store.bytes;
  }

  firstIndex(): number {
    return this.store.firstIndex();
  }

  lastIndex(): number {
    return this.store.lastIndex();
  }

  term(index: number): Term | "compacted" | "unavailable" {
    return this.store.term(index);
  }

  entries(range: Parameters<LogStore["entries"]>[0]): readonly Entry[] {
    return this.store.entries(range);
  }

  append(batch: LogBatch, options: { readonly sync: boolean }): Promise<void> {
    return this.inTurn(() => this.guard.run(APPEND, () => this.store.append(batch, options)));
  }

  reset(entry: EntryId): Promise<void> {
    return this.inTurn(() => this.guard.run(RESET, () => this.store.reset(entry)));
  }

  cut(index: number): Promise<void> {
    return this.inTurn(() => this.guard.run(CUT, () => this.store.cut(index)));
  }

  /** Writes that wait at a fail point are not waited for: they fail when it lets them go. */
  close(): Promise<void> {
    return this.store.close();
  }

  /** A write that waits at a fail point must not be overtaken by the next. */
  private inTurn(write: () => Promise<void>): Promise<void> {
    const written = this.lastWrite.then(write);
    this.lastWrite = written.catch(() => undefined);
    return written;
  }
}

const APPEND = { before: "log.append.before", after: "log.append.after" } as const;
const RESET = { before: "log.reset.before", after: "log.reset.after" } as const;
const CUT = { before: "log.cut.before", after: "log.cut.after" } as const;
