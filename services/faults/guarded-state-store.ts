import type {
  FrozenState,
  HistoryQuery,
  ImageChunk,
  ImageHeader,
  OpenedState,
  RangeQuery,
  RecordRepair,
  RecordsQuery,
  StateBatch,
  StateReceiver,
  StateStore,
} from "#replica";
import { assert } from "#std";
import type { FailPoints } from "./fail-points";
import { StoreGuard } from "./guard";

/**
 * The state store between fail points: what applying reads and writes meets them, and each step of an image on either
 * side; the reads of clients pass.
 */
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
    return this.guard.run(READ, async () => this.store.read(reads));
  }

  write(batch: StateBatch): Promise<void> {
    return this.guard.run(WRITE, async () => {
      await this.store.write(batch);
    });
  }

  checkpoint(): Promise<void> {
    return this.guard.run(CHECKPOINT, () => this.store.checkpoint());
  }

  freeze(): FrozenState {
    this.guard.check();
    return new GuardedFrozenState(this.store.freeze(), this.guard);
  }

  receive(header: ImageHeader): Promise<StateReceiver> {
    return this.guard.run(RECEIVE, async () => {
      return new GuardedReceiver(await this.store.receive(header), this.guard);
    });
  }

  install(receiver: StateReceiver): Promise<OpenedState> {
    assert(receiver instanceof GuardedReceiver, "a state is installed that this store received");
    return this.guard.run(INSTALL, () => this.store.install(receiver.receiver));
  }

  repair(repairs: readonly RecordRepair[]): Promise<void> {
    return this.guard.run(REPAIR, () => this.store.repair(repairs));
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

class GuardedFrozenState implements FrozenState {
  readonly header: ImageHeader;

  constructor(
    private readonly frozen: FrozenState,
    private readonly guard: StoreGuard,
  ) {
    this.header = frozen.header;
  }

  async *chunks(after: Uint8Array | null): AsyncGenerator<ImageChunk> {
    const chunks = this.frozen.chunks(after)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.guard.run(CHUNK, () => chunks.next());
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await chunks.return?.();
    }
  }

  async *scan(query: Omit<RangeQuery, "revision">): ReturnType<StateStore["scan"]> {
    this.guard.check();
    yield* this.frozen.scan(query);
  }

  close(): void {
    this.frozen.close();
  }
}

class GuardedReceiver implements StateReceiver {
  readonly header: ImageHeader;

  constructor(
    readonly receiver: StateReceiver,
    private readonly guard: StoreGuard,
  ) {
    this.header = receiver.header;
  }

  get position(): Uint8Array | null {
    return this.receiver.position;
  }

  put(chunk: ImageChunk): Promise<void> {
    return this.guard.run(PUT, () => this.receiver.put(chunk));
  }

  complete(): Promise<OpenedState> {
    return this.guard.run(COMPLETE, () => this.receiver.complete());
  }

  abandon(): Promise<void> {
    return this.receiver.abandon();
  }
}

const READ = { before: "state.read.before" } as const;
const WRITE = { before: "state.write.before", after: "state.write.after" } as const;
const CHECKPOINT = { before: "state.checkpoint.before", after: "state.checkpoint.after" } as const;
const CHUNK = { before: "state.chunk.before", after: "state.chunk.after" } as const;
const RECEIVE = { before: "state.receive.before", after: "state.receive.after" } as const;
const PUT = { before: "state.put.before", after: "state.put.after" } as const;
const COMPLETE = { before: "state.complete.before", after: "state.complete.after" } as const;
const INSTALL = { before: "state.install.before", after: "state.install.after" } as const;
const REPAIR = { before: "state.repair.before", after: "state.repair.after" } as const;
