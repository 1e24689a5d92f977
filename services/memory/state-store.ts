import {
  byteKey,
  type Change,
  type KeyRange,
  RangeMeter,
  type RangeRead,
  rangeContains,
  type StateReads,
  type StateView,
  type StoredRecord,
} from "#kv";
import {
  type FrozenState,
  type HistoryQuery,
  ImageDamaged,
  type ImageHeader,
  type OpenedState,
  type RangeQuery,
  ReadExpired,
  type RecordRepair,
  type RecordsQuery,
  type StateBatch,
  type StateReceiver,
  StateReplaced,
  type StateStore,
  StoreFailure,
} from "#replica";
import { assert, EMPTY_BYTES, unreachable } from "#std";
import type { DiskHandle } from "./disk-faults";
import { MemoryFrozenState } from "./frozen-state";
import type { MemoryStateDisk } from "./state-disk";
import { MEMORY_IMAGE_FORMAT } from "./state-image";
import { MemoryStateReceiver } from "./state-receiver";
import { scanContents } from "./state-scan";

const NEWEST_REVISION = Number.MAX_SAFE_INTEGER;
/** Small, so that what reads in chunks meets their borders in tests. */
const CHUNK_CHANGES = 16;

/**
 * Opens the state on a disk. One that is damaged starts empty, for the log to be replayed into it.
 *
 * @throws StoreFailure while another store has it open
 */
export function openMemoryStateStore(disk: MemoryStateDisk): StateStore {
  const handle = disk.faults.open();
  if (handle === null) throw new StoreFailure("the disk is in use by another store", { dataLoss: false });
  return new MemoryStateStore(disk, handle);
}

class MemoryStateStore implements StateStore {
  private found: OpenedState;
  private receiver: MemoryStateReceiver | null = null;
  /** How many states were installed: what was begun before the last one is of a state that is gone. */
  private installCount = 0;
  private isWriting = false;

  constructor(
    private readonly disk: MemoryStateDisk,
    private readonly handle: DiskHandle,
  ) {
    if (disk.isDamaged) disk.empty();
    disk.checkpoint();
    this.found = { resident: disk.resident(), applied: disk.applied };
  }

  get opened(): OpenedState {
    return this.found;
  }

  get checkpointIndex(): number {
    return this.disk.checkpointIndex;
  }

  async read(reads: StateReads): Promise<StateView> {
    this.handle.check();
    const found = new Map<string, StoredRecord | null>();
    for (const { namespaceId, generation, key, withValue } of reads.keys) {
      const name = viewKey(namespaceId, generation, key);
      const record = this.disk.generation(namespaceId, generation).get(byteKey(key), NEWEST_REVISION);
      // Of two reads of one key the one that wants the value counts.
      if (withValue || !found.has(name)) found.set(name, withValue ? record : withoutValue(record));
    }
    const ranges: (readonly StoredRecord[])[] = [];
    for (const range of reads.ranges) {
      ranges.push(this.firstRecords(range));
    }
    return new MemoryView(found, ranges);
  }

  async write({ applied, writes }: StateBatch): Promise<void> {
    assert(applied.index > this.disk.applied.index, "the applied index rises with each batch");
    await this.writeAlone(() => this.disk.write(applied, writes));
  }

  async checkpoint(): Promise<void> {
    await this.handle.write(() => this.disk.checkpoint());
  }

  freeze(): FrozenState {
    this.handle.check();
    return new MemoryFrozenState(this.disk.copy(), this.presentCheck());
  }

  async receive(header: ImageHeader): Promise<StateReceiver> {
    this.handle.check();
    if (header.format !== MEMORY_IMAGE_FORMAT) {
      throw new ImageDamaged(`its format is ${header.format}, and this store reads ${MEMORY_IMAGE_FORMAT}`);
    }
    await this.receiver?.abandon();
    this.receiver = new MemoryStateReceiver(header, this.handle);
    return this.receiver;
  }

  async install(receiver: StateReceiver): Promise<OpenedState> {
    assert(
      receiver instanceof MemoryStateReceiver && receiver === this.receiver,
      "a state is installed that was received last, by this store",
    );
    const contents = receiver.taken();
    await this.writeAlone(() => {
      this.disk.install(contents);
      this.receiver = null;
      this.installCount += 1;
      this.found = { resident: contents.resident(), applied: contents.applied };
    });
    return this.found;
  }

  async repair(repairs: readonly RecordRepair[]): Promise<void> {
    await this.writeAlone(() => this.disk.repair(repairs));
  }

  async records(query: RecordsQuery): Promise<readonly (StoredRecord | null)[]> {
    this.checkReadable(query);
    const generation = this.disk.generation(query.namespaceId, query.generation);
    return query.keys.map((key) => {
      const record = generation.get(byteKey(key), query.revision);
      return query.keysOnly ? withoutValue(record) : record;
    });
  }

  async *scan(query: RangeQuery): AsyncGenerator<readonly StoredRecord[]> {
    this.checkReadable(query);
    const check = this.presentCheck();
    for (const chunk of scanContents(this.disk, query)) {
      yield chunk;
      check();
    }
  }

  async *history(query: HistoryQuery): AsyncGenerator<readonly Change[]> {
    const { namespaceId, range } = query;
    const check = this.presentCheck();
    this.checkTold(namespaceId, query.from);
    const to = Math.min(query.to, this.disk.revision);
    let place = { revision: query.from, ordinal: 0 };
    while (place.revision <= to) {
      check();
      this.checkTold(namespaceId, place.revision);
      const next = this.disk.changeLog(namespaceId).from(place, to, CHUNK_CHANGES + 1);
      const changes = next.slice(0, CHUNK_CHANGES);
      const last = changes.at(-1);
      if (last === undefined) return;
      place = { revision: last.revision, ordinal: last.ordinal + 1 };
      yield changes.filter((change) => isInRange(change, range));
      if (next.length === changes.length) return;
    }
  }

  async close(): Promise<void> {
    await this.handle.settle();
    this.handle.end("the state is closed");
    this.disk.faults.releaseHandle(this.handle);
  }

  private async writeAlone(apply: () => void): Promise<void> {
    assert(!this.isWriting, "the state is written one batch at a time");
    this.isWriting = true;
    try {
      await this.handle.write(apply);
    } finally {
      this.isWriting = false;
    }
  }

  /** Throws once the store has ended, or the state that is there now was replaced. */
  private presentCheck(): () => void {
    const { installCount } = this;
    return () => {
      this.handle.check();
      if (this.installCount !== installCount) throw new StateReplaced();
    };
  }

  private checkReadable({ namespaceId, generation, revision }: RecordsQuery | RangeQuery): void {
    this.handle.check();
    if (!this.disk.isReadable(namespaceId, generation, revision)) throw new ReadExpired();
  }

  private checkTold(namespaceId: number, revision: number): void {
    this.handle.check();
    if (!this.disk.isTold(namespaceId, revision)) throw new ReadExpired();
  }

  private firstRecords(range: RangeRead): readonly StoredRecord[] {
    const query = { ...range, revision: NEWEST_REVISION, reverse: false, keysOnly: !range.withValues };
    const records: StoredRecord[] = [];
    if (range.limit <= 0) return records;
    const meter = new RangeMeter(range);
    for (const chunk of scanContents(this.disk, query)) {
      for (const record of chunk) {
        records.push(record);
        if (meter.take(record) !== null) return records;
      }
    }
    return records;
  }
}

class MemoryView implements StateView {
  constructor(
    private readonly found: ReadonlyMap<string, StoredRecord | null>,
    private readonly ranges: readonly (readonly StoredRecord[])[],
  ) {}

  get(namespaceId: number, generation: number, key: Uint8Array): StoredRecord | null {
    const record = this.found.get(viewKey(namespaceId, generation, key));
    assert(record !== undefined, "a command reads only the keys that it declared");
    return record;
  }

  range(position: number): readonly StoredRecord[] {
    const records = this.ranges[position];
    assert(records !== undefined, "a command reads only the ranges that it declared");
    return records;
  }
}

function isInRange(change: Change, range: KeyRange): boolean {
  switch (change.kind) {
    case "put":
      return rangeContains(range, change.record.key);
    case "delete":
      return rangeContains(range, change.key);
    case "truncate":
      return true;
    default:
      return unreachable(change);
  }
}

function viewKey(namespaceId: number, generation: number, key: Uint8Array): string {
  return `${namespaceId}/${generation}/${byteKey(key)}`;
}

function withoutValue(record: StoredRecord | null): StoredRecord | null {
  return record === null ? null : { ...record, value: EMPTY_BYTES };
}
