import type { Change, KeyRange, ResidentState, StateReads, StateView, StateWrites, StoredRecord } from "#kv";
import type { Entry, EntryId, HardState, LogReader, Message } from "#raft";

/**
 * The durable log of one Raft group. Opening verifies it (see storage). Reads are synchronous, of what was appended
 * and durable. A failed write ends the handle: every later write rejects with the same StoreFailure.
 */
export interface LogStore extends LogReader {
  /** As last stored. */
  readonly hardState: HardState;
  /**
   * Atomically replaces the log from the first of `entries` on, and the hard state unless null. With `sync` it resolves
   * when durable. Calls are serialised in the order made; rejects with StoreFailure.
   */
  append(batch: LogBatch, options: { readonly sync: boolean }): Promise<void>;
  /** Empties the log so that it goes on after `entry`; durable when it resolves. For a log that ends below the state. */
  reset(entry: EntryId): Promise<void>;
  /** How many synced writes were made, and how many entries they held. */
  readonly counters: { readonly syncs: number; readonly entriesSynced: number };
  /** Safe to call twice. */
  close(): Promise<void>;
}

export interface LogBatch {
  readonly entries: readonly Entry[];
  readonly hardState: HardState | null;
}

/** Records to read at a revision. */
export interface RecordsQuery {
  readonly namespaceId: number;
  readonly generation: number;
  readonly keys: readonly Uint8Array[];
  /** Of each key the newest version that is not newer than this. */
  readonly revision: number;
  readonly keysOnly: boolean;
}

/** A range to read at a revision. */
export interface RangeQuery {
  readonly namespaceId: number;
  readonly generation: number;
  /** Inclusive; empty for the start. */
  readonly start: Uint8Array;
  /** Exclusive; null for the end. */
  readonly end: Uint8Array | null;
  readonly revision: number;
  readonly reverse: boolean;
  readonly keysOnly: boolean;
}

/** Changes to read, of one namespace. */
export interface HistoryQuery {
  readonly namespaceId: number;
  /** The first revision that is wanted. */
  readonly from: number;
  /** The last. */
  readonly to: number;
  /** Only changes of keys in this range, and truncations. */
  readonly range: KeyRange;
}

/**
 * The replicated state of one group. Writes are not synced: after a crash the store comes back as of some earlier
 * batch, and the log is replayed from there. A failed write ends the handle.
 */
export interface StateStore {
  /** What was found on opening. */
  readonly opened: { readonly resident: ResidentState; readonly applied: EntryId };
  /** Reads what a batch of commands needs, as of the last completed write. */
  read(reads: StateReads): Promise<StateView>;
  /** Writes one batch atomically, with the id of the last entry it applied. One at a time; rejects with StoreFailure. */
  write(batch: StateBatch): Promise<void>;
  /** The index that no crash can take back any more: the log may be cut up to it. */
  readonly checkpointIndex: number;
  /** In the order of query.keys; null where there is no such key at that revision. Rejects with ReadExpired or StoreFailure. */
  records(query: RecordsQuery): Promise<readonly (StoredRecord | null)[]>;
  /**
   * In key order, in chunks of bounded bytes, unmoved by writes that come after the first chunk was asked for. Throws
   * ReadExpired before the first chunk, or StoreFailure.
   */
  scan(query: RangeQuery): AsyncIterable<readonly StoredRecord[]>;
  /**
   * The changes of a namespace, over all its generations, in the order of (revision, ordinal) and in chunks of bounded
   * bytes; a chunk may end within a revision, and is empty where much was read and nothing of it asked for, so that the
   * read can be ended there. What is written after the first chunk was asked for is left out. Throws ReadExpired where
   * history that was asked for is given up (before or between chunks, not behind the last change) or the namespace is not
   * there, or StoreFailure.
   */
  history(query: HistoryQuery): AsyncIterable<readonly Change[]>;
  /** Safe to call twice. Waits for scans under way to notice. */
  close(): Promise<void>;
}

export interface StateBatch {
  readonly applied: EntryId;
  readonly writes: StateWrites;
}

/** A store could not write or read: its handle has ended. `dataLoss` when what is on disk contradicts itself. */
export class StoreFailure extends Error {
  readonly dataLoss: boolean;

  constructor(message: string, options: { readonly dataLoss: boolean; readonly cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = "StoreFailure";
    this.dataLoss = options.dataLoss;
  }
}

/**
 * A read asked for what was truncated, or given up by compaction, since its read point was taken: it is being removed, so
 * the read is to be started anew. Changes nothing and ends nothing.
 */
export class ReadExpired extends Error {
  constructor() {
    super("the namespace was truncated or compacted while the read was under way");
    this.name = "ReadExpired";
  }
}

/** Carries messages to peers. May lose, delay and reorder; never blocks: what does not fit its bounds is dropped. */
export interface Transport {
  send(messages: readonly Message[]): void;
}

export interface Clock {
  /** Milliseconds of a monotonic clock with an arbitrary start. */
  monotonicMs(): number;
  /** Milliseconds since 1970, for display only. */
  wallMs(): number;
}

export interface Scheduler {
  /** Runs once, after the input that is already waiting in this turn of the event loop was taken in. */
  afterThisTurn(run: () => void): void;
}

/** SHA-256, which a pure folder cannot compute at native speed. */
export interface Digest {
  sha256(parts: readonly Uint8Array[]): Uint8Array;
}
