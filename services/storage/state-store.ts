import type { KeyRead, ResidentState, StateReads, StateView, StoredRecord } from "#kv";
import type { EntryId } from "#raft";
import { type RangeQuery, ReadExpired, type RecordsQuery, type StateBatch, type StateStore } from "#replica";
import { assert } from "#std";
import type { DatabaseHandle } from "./database-handle";
import { LoadedView } from "./loaded-view";
import { NewestRecords } from "./newest-records";
import { cacheKeyOf } from "./record-cache";
import { type KeySpace, RecordSource } from "./record-source";
import { endedGenerations, StateChanges } from "./state-changes";
import { Reclaimer } from "./state-reclaim";
import type { EndedGeneration, StateHead } from "./state-records";
import { scanRange } from "./state-scan";
import { type CheckpointLimits, StateWriter } from "./state-writer";

/** Bounds of a state store, in bytes and batches. */
export interface StateLimits extends CheckpointLimits {
  /** Of records kept in memory. */
  readonly cacheBytesMax: number;
  readonly scanChunkBytes: number;
}

/** What opening found, verified. */
export interface StateContents {
  readonly head: StateHead;
  readonly resident: ResidentState;
  /** The lowest batch number that is still stored. */
  readonly oldestNumber: number;
  /** Generations whose keys are still to be removed. */
  readonly ended: readonly EndedGeneration[];
}

const NEWEST_REVISION = Number.MAX_SAFE_INTEGER;

/** The state of a group in LevelDB. */
export class LevelStateStore implements StateStore {
  readonly opened: { readonly resident: ResidentState; readonly applied: EntryId };
  private readonly source: RecordSource;
  private readonly newest: NewestRecords;
  private readonly changes: StateChanges;
  private readonly writer: StateWriter;
  private readonly reclaimer: Reclaimer;
  /** The present generation of each namespace. */
  private readonly generations = new Map<number, number>();
  private isWriting = false;
  private closing: Promise<void> | null = null;

  constructor(
    private readonly handle: DatabaseHandle,
    contents: StateContents,
    private readonly limits: StateLimits,
  ) {
    this.opened = { resident: contents.resident, applied: contents.head.applied };
    this.source = new RecordSource(handle);
    this.newest = new NewestRecords(handle, this.source, limits.cacheBytesMax);
    this.changes = new StateChanges(contents.resident);
    this.writer = new StateWriter(handle, contents, limits);
    this.reclaimer = new Reclaimer(handle, this.writer);
    for (const { id, generation } of contents.resident.namespaces) this.generations.set(id, generation);
    this.reclaimer.start(contents.ended);
  }

  get checkpointIndex(): number {
    return this.writer.checkpointIndex;
  }

  async read(reads: StateReads): Promise<StateView> {
    this.handle.check();
    const records = await this.newest.read(reads.keys, NEWEST_REVISION);
    const found = new Map<string, StoredRecord | null>();
    for (const [at, { namespaceId, generation, key, withValue }] of reads.keys.entries()) {
      const cacheKey = cacheKeyOf(namespaceId, generation, key);
      // Of two reads of one key the one that wants the value counts.
      if (withValue || !found.has(cacheKey)) found.set(cacheKey, records[at] as StoredRecord | null);
    }
    const ranges: (readonly StoredRecord[])[] = [];
    for (const range of reads.ranges) {
      const query = { ...range, revision: NEWEST_REVISION, reverse: false, keysOnly: true };
      ranges.push(await firstRecords(this.chunks(query), range.limit));
    }
    return new LoadedView(found, ranges);
  }

  async write({ applied, writes }: StateBatch): Promise<void> {
    assert(!this.isWriting, "the state is written one batch at a time");
    assert(applied.index > this.writer.appliedIndex, "the applied index rises with each batch");
    this.isWriting = true;
    try {
      await this.writer.write((batch) => this.changes.putInto(batch, writes), { applied, meta: writes.meta });
      this.newest.noteWritten(writes.changes);
      for (const { id, generation } of writes.namespaces) this.generations.set(id, generation);
      this.reclaimer.start(endedGenerations(writes.changes));
    } finally {
      this.isWriting = false;
    }
  }

  async records(query: RecordsQuery): Promise<readonly (StoredRecord | null)[]> {
    this.handle.check();
    this.checkGeneration(query);
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
    this.checkGeneration(query);
    yield* this.chunks(query);
  }

  close(): Promise<void> {
    this.closing ??= this.closeOnce();
    return this.closing;
  }

  private async closeOnce(): Promise<void> {
    await this.writer.settle();
    const closed = this.handle.close();
    await this.reclaimer.settle();
    await this.writer.settle();
    await closed;
  }

  private chunks(query: RangeQuery): AsyncGenerator<readonly StoredRecord[]> {
    return scanRange(this.handle, this.source, query, this.limits.scanChunkBytes);
  }

  private checkGeneration({ namespaceId, generation }: KeySpace): void {
    if (generation < (this.generations.get(namespaceId) ?? 0)) throw new ReadExpired();
  }
}

async function firstRecords(
  chunks: AsyncIterable<readonly StoredRecord[]>,
  limit: number,
): Promise<readonly StoredRecord[]> {
  const records: StoredRecord[] = [];
  if (limit <= 0) return records;
  for await (const chunk of chunks) {
    records.push(...chunk.slice(0, limit - records.length));
    if (records.length >= limit) break;
  }
  return records;
}
