import type { EntryId } from "#raft";
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

/** Is told of what a state store did. Times are of performance.now(). */
export interface StateObserver {
  /** A batch of entries is applied, after those up to `previous`; `startMs` is when its reads began. */
  applied(previous: EntryId, last: EntryId, startMs: number, endMs: number): void;
  /** A part of an image was read, to be sent or kept elsewhere. */
  imageChunkRead?(chunk: ImageChunk): void;
}

/** The state store, each batch that is applied timed: two looks at the clock a batch, nothing for the reads of clients. */
export function observeStateStore(store: StateStore, observers: readonly StateObserver[]): StateStore {
  return observers.length === 0 ? store : new ObservedStateStore(store, observers);
}

class ObservedStateStore implements StateStore {
  private applied: EntryId;
  private readMs = 0;

  constructor(
    private readonly store: StateStore,
    private readonly observers: readonly StateObserver[],
  ) {
    this.applied = store.opened.applied;
  }

  get opened(): OpenedState {
    return this.store.opened;
  }

  get checkpointIndex(): number {
    return this.store.checkpointIndex;
  }

  read(reads: Parameters<StateStore["read"]>[0]): ReturnType<StateStore["read"]> {
    this.readMs = performance.now();
    return this.store.read(reads);
  }

  write(batch: StateBatch): Promise<void> | null {
    const startMs = this.readMs === 0 ? performance.now() : this.readMs;
    const written = this.store.write(batch);
    if (written !== null) return written.then(() => this.noteWritten(batch, startMs));
    this.noteWritten(batch, startMs);
    return null;
  }

  private noteWritten({ applied }: StateBatch, startMs: number): void {
    const endMs = performance.now();
    const previous = this.applied;
    this.applied = applied;
    this.readMs = 0;
    for (const observer of this.observers) observer.applied(previous, applied, startMs, endMs);
  }

  checkpoint(): Promise<void> {
    return this.store.checkpoint();
  }

  freeze(): FrozenState {
    return new ObservedFrozenState(this.store.freeze(), this.observers);
  }

  receive(header: ImageHeader): Promise<StateReceiver> {
    return this.store.receive(header);
  }

  async install(receiver: StateReceiver): Promise<OpenedState> {
    const opened = await this.store.install(receiver);
    this.applied = opened.applied;
    return opened;
  }

  repair(repairs: readonly RecordRepair[]): Promise<void> {
    return this.store.repair(repairs);
  }

  records(query: RecordsQuery): ReturnType<StateStore["records"]> {
    return this.store.records(query);
  }

  scan(query: RangeQuery): ReturnType<StateStore["scan"]> {
    return this.store.scan(query);
  }

  history(query: HistoryQuery): ReturnType<StateStore["history"]> {
    return this.store.history(query);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}

class ObservedFrozenState implements FrozenState {
  constructor(
    private readonly frozen: FrozenState,
    private readonly observers: readonly StateObserver[],
  ) {}

  get header(): ImageHeader {
    return this.frozen.header;
  }

  async *chunks(after: Uint8Array | null): AsyncGenerator<ImageChunk> {
    for await (const chunk of this.frozen.chunks(after)) {
      for (const observer of this.observers) observer.imageChunkRead?.(chunk);
      yield chunk;
    }
  }

  scan(query: Omit<RangeQuery, "revision">): ReturnType<FrozenState["scan"]> {
    return this.frozen.scan(query);
  }

  close(): void {
    this.frozen.close();
  }
}
