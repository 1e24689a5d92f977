import { join } from "node:path";
import {
  type Change,
  type KeyRead,
  RangeMeter,
  type RangeRead,
  type StateReads,
  type StateView,
  type StoredRecord,
} from "#kv";
import type {
  FrozenState,
  HistoryQuery,
  OpenedState,
  RangeQuery,
  RecordRepair,
  RecordsQuery,
  StateBatch,
} from "#replica";
import { assert } from "#std";
import { AnswerRows } from "./answer-rows";
import type { DatabaseHandle } from "./database-handle";
import { LevelFrozenState } from "./frozen-state";
import { HistoryFloors } from "./history-floors";
import { KnownKeys } from "./known-keys";
import { LoadedView } from "./loaded-view";
import { NEWEST_REVISION, NewestRecords, type ReplacedRows } from "./newest-records";
import { OVERFLOW_FILE_NAME, OverflowFile } from "./overflow-file";
import { RecordRepairs } from "./record-repairs";
import { RecordRuns } from "./record-runs";
import { RecordSource } from "./record-source";
import { RowOverflow } from "./row-overflow";
import { isRunQuery, type RunQuery, scanRuns } from "./run-scan";
import { StateChanges } from "./state-changes";
import { keptBy, type StateContents } from "./state-contents";
import { readHistory } from "./state-history";
import { Reclaimer } from "./state-reclaim";
import { scanRange } from "./state-scan";
import { type CheckpointLimits, StateWriter } from "./state-writer";
import type { GatheringLimits } from "./write-behind";

/** Bounds of a state store, in bytes and batches. */
export interface StateLimits extends CheckpointLimits, GatheringLimits {
  /** Of records kept in memory. */
  readonly cacheBytesMax: number;
  /** Of those in a file of which there is no room there; 0 for none. */
  readonly recordOverflowBytesMax: number;
  /** Of runs of records that scans have read. */
  readonly recordRunsBytesMax: number;
  readonly scanChunkBytes: number;
  /** A chunk of an image is longer only where one row is. */
  readonly imageChunkBytes: number;
}

/** One state directory while it is open, until it is closed or another one takes its place. */
export class LevelState {
  readonly opened: OpenedState;
  private readonly source: RecordSource;
  private readonly runs: RecordRuns;
  private readonly known: KnownKeys;
  private readonly newest: NewestRecords;
  private readonly writer: StateWriter;
  private readonly reclaimer: Reclaimer;
  private readonly floors: HistoryFloors;
  private readonly repairs: RecordRepairs;
  private isWriting = false;
  private closing: Promise<void> | null = null;

  constructor(
    private readonly handle: DatabaseHandle,
    contents: StateContents,
    private readonly limits: StateLimits,
  ) {
    this.opened = { resident: contents.resident, applied: contents.head.applied };
    this.source = new RecordSource(handle);
    const answers = new AnswerRows(contents.answerRows, keptBy(contents.resident.sessions));
    this.writer = new StateWriter(handle, contents, limits, new StateChanges(answers));
    this.runs = new RecordRuns(limits.recordRunsBytesMax);
    const overflow = new RowOverflow(
      new OverflowFile(join(handle.database.location, OVERFLOW_FILE_NAME), limits.recordOverflowBytesMax),
    );
    const keyCount = contents.resident.namespaces.reduce((sum, { keyCount }) => sum + keyCount, 0);
    this.known = new KnownKeys(handle, this.writer, keyCount);
    this.newest = new NewestRecords(
      handle,
      this.source,
      this.writer,
      this.runs,
      overflow,
      this.known,
      limits.cacheBytesMax,
    );
    this.floors = new HistoryFloors(contents.resident.namespaces, contents.resident.meta);
    this.repairs = new RecordRepairs(this.source);
    const { source, floors, writer: stateWriter } = this;
    this.reclaimer = new Reclaimer(
      { handle, source, floors, stateWriter },
      contents.resident,
      contents.ended,
    );
  }

  get checkpointIndex(): number {
    return this.writer.checkpointIndex;
  }

  read(reads: StateReads): StateView | Promise<StateView> {
    try {
      this.handle.check();
      if (reads.ranges.length > 0) return this.readRanges(reads);
      const records = this.newest.read(reads.keys, NEWEST_REVISION);
      if ("then" in records) return records.then((loaded) => new LoadedView(reads.keys, loaded, []));
      return new LoadedView(reads.keys, records, []);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  write(batch: StateBatch): Promise<void> | null {
    assert(
      batch.applied.index > this.writer.written.applied.index,
      "the applied index rises with each batch",
    );
    assert(!this.isWriting, "the state is written one batch at a time");
    const { changes } = batch.writes;
    if (this.newest.isLong(changes)) {
      return this.alone(async () => {
        await this.add(batch, await this.newest.fetchReplaced(changes));
      });
    }
    try {
      const room = this.add(batch, null);
      return room === null ? null : this.alone(() => room);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  repair(repairs: readonly RecordRepair[]): Promise<void> {
    return this.alone(async () => {
      const snapshot = await this.writer.snapshot(NEWEST_REVISION);
      const prepared = await this.repairs.prepared(repairs, snapshot).finally(() => snapshot.close());
      await this.writer.write((batch) => this.repairs.putInto(batch, prepared));
      await this.writer.flush();
      this.newest.noteRepaired(repairs);
    });
  }

  checkpoint(): Promise<void> {
    return this.writer.checkpoint();
  }

  freeze(): FrozenState {
    const { handle, source, writer, floors } = this;
    const frozen: LevelFrozenState = new LevelFrozenState(
      { handle, source, writer, floors },
      this.limits,
      () => this.reclaimer.noteReleased(frozen),
    );
    this.reclaimer.noteFrozen(frozen);
    return frozen;
  }

  /** Runs what nothing may be written beside. */
  async alone<Result>(run: () => Promise<Result>): Promise<Result> {
    assert(!this.isWriting, "the state is written one batch at a time");
    this.isWriting = true;
    try {
      return await run();
    } finally {
      this.isWriting = false;
    }
  }

  async records(query: RecordsQuery): Promise<readonly (StoredRecord | null)[]> {
    this.handle.check();
    this.floors.checkReadable(query, query.revision);
    const { namespaceId, generation, revision } = query;
    const reads: KeyRead[] = query.keys.map((key) => ({
      namespaceId,
      generation,
      key,
      withValue: !query.keysOnly,
    }));
    return this.newest.read(reads, revision);
  }

  async *scan(query: RangeQuery): AsyncGenerator<readonly StoredRecord[]> {
    this.handle.check();
    this.floors.checkReadable(query, query.revision);
    yield* isRunQuery(query) ? this.runChunks(query) : this.chunks(query);
  }

  history(query: HistoryQuery): AsyncIterable<readonly Change[]> {
    const { handle, source, floors, writer } = this;
    return readHistory({ handle, source, floors, writer }, query, this.limits.scanChunkBytes);
  }

  close(): Promise<void> {
    this.closing ??= this.closeOnce();
    return this.closing;
  }

  private async closeOnce(): Promise<void> {
    await this.writer.settle();
    this.handle.end("is closed", { dataLoss: false });
    await this.reclaimer.settle();
    await this.known.settle();
    await this.writer.settle();
    this.writer.drop();
    await this.newest.close();
    await this.handle.close();
  }

  /** Resolves when LevelDB has what was written so far. */
  flush(): Promise<void> {
    return this.writer.flush();
  }

  /** Resolves when what was given up so far is removed, and no keys are being read to know them. */
  async settle(): Promise<void> {
    await this.reclaimer.settle();
    await this.known.settle();
  }

  /** Ends all that is under way with StateReplaced, and closes it. */
  async replaced(): Promise<void> {
    this.handle.endReplaced();
    await this.close();
  }

  /** Ends it, for which state is present is not known any more. */
  fault(doing: string, error: unknown): Error {
    return this.handle.fault(doing, error);
  }

  check(): void {
    this.handle.check();
  }

  private async readRanges(reads: StateReads): Promise<StateView> {
    const records = await this.newest.read(reads.keys, NEWEST_REVISION);
    const ranges: (readonly StoredRecord[])[] = [];
    for (const range of reads.ranges) {
      const query = { ...range, revision: NEWEST_REVISION, reverse: false, keysOnly: !range.withValues };
      ranges.push(await firstRecords(this.chunks(query), range));
    }
    return new LoadedView(reads.keys, records, ranges);
  }

  /** @returns null where more may be written; else resolves when it may */
  private add({ applied, writes }: StateBatch, fetched: ReplacedRows | null): Promise<void> | null {
    const room = this.writer.apply({ applied, meta: writes.meta }, (gathered) => {
      this.newest.write(writes.changes, gathered, fetched);
      gathered.add(writes);
      this.floors.note(writes);
    });
    if (room !== null) return room.then(() => this.reclaimer.noteWritten(writes));
    this.reclaimer.noteWritten(writes);
    return null;
  }

  private chunks(query: RangeQuery): AsyncGenerator<readonly StoredRecord[]> {
    const { handle, source, writer } = this;
    return scanRange({ handle, source, writer }, query, this.limits.scanChunkBytes);
  }

  private runChunks(query: RunQuery): AsyncGenerator<readonly StoredRecord[]> {
    const { handle, source, writer, runs, floors } = this;
    const checkReadable = (read: RangeQuery): void => floors.checkReadable(read, read.revision);
    const parts = { handle, source, writer, runs, checkReadable };
    return scanRuns(parts, query, this.limits.scanChunkBytes);
  }
}

async function firstRecords(
  chunks: AsyncIterable<readonly StoredRecord[]>,
  read: RangeRead,
): Promise<readonly StoredRecord[]> {
  const records: StoredRecord[] = [];
  if (read.limit <= 0) return records;
  const meter = new RangeMeter(read);
  for await (const chunk of chunks) {
    for (const record of chunk) {
      records.push(record);
      if (meter.take(record) !== null) return records;
    }
  }
  return records;
}
