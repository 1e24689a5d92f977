import type { Change, StateReads, StateView, StoredRecord } from "@quorate/services/kv";
import type { Entry, EntryId, HardState, Term } from "@quorate/services/raft";
import type {
  HistoryQuery,
  LogBatch,
  LogStore,
  RangeQuery,
  RecordsQuery,
  StateBatch,
  StateStore,
} from "@quorate/services/replica";

/** To be told of each write when its turn on the disk has come, and when the disk has it. */
interface WriteObserver<Batch> {
  begins(batch: Batch): void;
  tookEffect(batch: Batch): void;
}

/** A log store that remembers what is being written. */
export class ObservedLogStore implements LogStore {
  private readonly writing: (LogBatch | null)[] = [];

  constructor(
    private readonly store: LogStore,
    private readonly observer: WriteObserver<LogBatch>,
  ) {}

  /** Writes begin and take effect in the order in which they were asked for. */
  begins(): void {
    const batch = this.writing[0];
    if (batch !== undefined && batch !== null) this.observer.begins(batch);
  }

  tookEffect(): void {
    const batch = this.writing.shift();
    if (batch !== undefined && batch !== null) this.observer.tookEffect(batch);
  }

  get hardState(): HardState {
    return this.store.hardState;
  }

  get counters(): LogStore["counters"] {
    return this.store.counters;
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
    this.writing.push(batch);
    return this.store.append(batch, options);
  }

  reset(entry: EntryId): Promise<void> {
    this.writing.push(null);
    return this.store.reset(entry);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}

/** The same for a state store. */
export class ObservedStateStore implements StateStore {
  private writing: StateBatch | null = null;

  constructor(
    private readonly store: StateStore,
    private readonly observer: WriteObserver<StateBatch>,
  ) {}

  begins(): void {
    if (this.writing !== null) this.observer.begins(this.writing);
  }

  tookEffect(): void {
    if (this.writing !== null) this.observer.tookEffect(this.writing);
    this.writing = null;
  }

  get opened(): StateStore["opened"] {
    return this.store.opened;
  }

  get checkpointIndex(): number {
    return this.store.checkpointIndex;
  }

  read(reads: StateReads): Promise<StateView> {
    return this.store.read(reads);
  }

  write(batch: StateBatch): Promise<void> {
    this.writing = batch;
    return this.store.write(batch);
  }

  records(query: RecordsQuery): Promise<readonly (StoredRecord | null)[]> {
    return this.store.records(query);
  }

  scan(query: RangeQuery): AsyncIterable<readonly StoredRecord[]> {
    return this.store.scan(query);
  }

  history(query: HistoryQuery): AsyncIterable<readonly Change[]> {
    return this.store.history(query);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
