import type { HistoryQuery, RangeQuery, RecordsQuery, StateBatch, StateStore } from "#replica";
import type { FailPoints } from "./fail-points";
import { StoreGuard } from "./guard";

/** The state store between fail points: what applying reads and writes meets them; the reads of clients pass. */
export function guardStateStore(store: StateStore, failPoints: FailPoints): StateStore {
  return new GuardedStateStore(store, failPoints);
}

class GuardedStateStore implements StateStore {
  private readonly guard: StoreGuard;

  constructor(
    private readonly store: StateStore,
    failPoints: FailPoints,
  ) {
    this.guard = new StoreGuard(failPoints);
  }

  get opened(): StateStore["opened"] {
    return this.store.opened;
  }

  get checkpointIndex(): number {
    return this.store.checkpointIndex;
  }

  read(reads: Parameters<StateStore["read"]>[0]): ReturnType<StateStore["read"]> {
    return this.guard.run(READ, () => this.store.read(reads));
  }

  write(batch: StateBatch): Promise<void> {
    return this.guard.run(WRITE, () => this.store.write(batch));
  }

  async records(query: RecordsQuery): ReturnType<StateStore["records"]> {
    this.guard.check();
    return this.store.records(query);
  }

  async *scan(query: RangeQuery): ReturnType<StateStore["scan"]> {
    this.guard.check();
    yield* this.store.scan(query);
  }

  async *history(query: HistoryQuery): ReturnType<StateStore["history"]> {
    this.guard.check();
    yield* this.store.history(query);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}

const READ = { before: "state.read.before" } as const;
const WRITE = { before: "state.write.before", after: "state.write.after" } as const;
