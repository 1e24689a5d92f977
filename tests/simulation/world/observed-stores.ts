import type { Change, StateReads, StateView, StoredRecord } from "@quorate/services/kv";
import type { Entry, EntryId, HardState, Index, Term } from "@quorate/services/raft";
import type {
  FrozenState,
  HistoryQuery,
  ImageChunk,
  ImageHeader,
  LogBatch,
  LogStore,
  OpenedState,
  RangeQuery,
  RecordRepair,
  RecordsQuery,
  StateBatch,
  StateReceiver,
  StateStore,
} from "@quorate/services/replica";
import { assert } from "@quorate/services/std";

/** What a log store was asked to do to its disk. */
export type LogWrite =
  | { readonly kind: "append"; readonly batch: LogBatch }
  | { readonly kind: "reset"; readonly entry: EntryId }
  | { readonly kind: "cut"; readonly index: Index };

/** The same of a state store. */
export type StateWrite =
  | { readonly kind: "write"; readonly batch: StateBatch }
  | { readonly kind: "checkpoint" }
  | { readonly kind: "put" }
  | { readonly kind: "complete" }
  | { readonly kind: "install" }
  | { readonly kind: "repair"; readonly repairs: readonly RecordRepair[] };

/** To be told of each write when its turn on the disk has come, and when the disk has it. */
export interface WriteObserver<Write> {
  begins(write: Write): void;
  tookEffect(write: Write): void;
}

/** Writes begin in the order in which they were asked for, and one that is refused never takes effect. */
class WriteQueue<Write> {
  private readonly asked: Write[] = [];
  private current: Write | null = null;

  constructor(private readonly observer: WriteObserver<Write>) {}

  ask(write: Write): void {
    this.asked.push(write);
  }

  /** Those that were asked for and have not begun. */
  get waiting(): readonly Write[] {
    return this.asked;
  }

  begins(): void {
    const next = this.asked.shift();
    assert(next !== undefined, "a disk writes what it was asked to");
    this.current = next;
    this.observer.begins(next);
  }

  tookEffect(): void {
    const { current } = this;
    this.current = null;
    if (current !== null) this.observer.tookEffect(current);
  }
}

/** A log store that tells of what is being written. */
export class ObservedLogStore implements LogStore {
  readonly writes: WriteQueue<LogWrite>;

  constructor(
    private readonly store: LogStore,
    observer: WriteObserver<LogWrite>,
  ) {
    this.writes = new WriteQueue(observer);
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
    this.writes.ask({ kind: "append", batch });
    return this.store.append(batch, options);
  }

  reset(entry: EntryId): Promise<void> {
    this.writes.ask({ kind: "reset", entry });
    return this.store.reset(entry);
  }

  cut(index: Index): Promise<void> {
    this.writes.ask({ kind: "cut", index });
    return this.store.cut(index);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}

/** The same for a state store. */
export class ObservedStateStore implements StateStore {
  readonly writes: WriteQueue<StateWrite>;

  constructor(
    private readonly store: StateStore,
    observer: WriteObserver<StateWrite>,
  ) {
    this.writes = new WriteQueue(observer);
  }

  get opened(): StateStore["opened"] {
    return this.store.opened;
  }

  get checkpointIndex(): number {
    return this.store.checkpointIndex;
  }

  read(reads: StateReads): StateView | Promise<StateView> {
    return this.store.read(reads);
  }

  write(batch: StateBatch): Promise<void> | null {
    this.writes.ask({ kind: "write", batch });
    return this.store.write(batch);
  }

  checkpoint(): Promise<void> {
    this.writes.ask({ kind: "checkpoint" });
    return this.store.checkpoint();
  }

  freeze(): FrozenState {
    return this.store.freeze();
  }

  async receive(header: ImageHeader): Promise<StateReceiver> {
    return new ObservedReceiver(await this.store.receive(header), this.writes);
  }

  install(receiver: StateReceiver): Promise<OpenedState> {
    assert(receiver instanceof ObservedReceiver, "what is installed was received here");
    this.writes.ask({ kind: "install" });
    return this.store.install(receiver.inner);
  }

  repair(repairs: readonly RecordRepair[]): Promise<void> {
    this.writes.ask({ kind: "repair", repairs });
    return this.store.repair(repairs);
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

class ObservedReceiver implements StateReceiver {
  constructor(
    readonly inner: StateReceiver,
    private readonly writes: WriteQueue<StateWrite>,
  ) {}

  get header(): ImageHeader {
    return this.inner.header;
  }

  get position(): Uint8Array | null {
    return this.inner.position;
  }

  put(chunk: ImageChunk): Promise<void> {
    this.writes.ask({ kind: "put" });
    return this.inner.put(chunk);
  }

  complete(): Promise<OpenedState> {
    this.writes.ask({ kind: "complete" });
    return this.inner.complete();
  }

  abandon(): Promise<void> {
    return this.inner.abandon();
  }
}
