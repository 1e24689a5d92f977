import type { Change, KeyRange, ResidentState, StateReads, StateView, StateWrites, StoredRecord } from "#kv";
import type { Entry, EntryId, HardState, Index, LogReader, MemberId, Message } from "#raft";
import type { Cancellation } from "./outcome";

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
  /**
   * Gives up the entries up to `index`, none of which a follower may be sent any more. At most the state's checkpoint.
   * Resolves when the log durably begins after it; the space comes back in the background. Nothing where it begins there
   * or later already.
   */
  cut(index: Index): Promise<void>;
  /** About how many bytes the entries that are held take. */
  readonly bytes: number;
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
  /** How many records will be taken at most, where that is known: to read many more ahead would be in vain. */
  readonly recordsWanted?: number;
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
  readonly opened: OpenedState;
  /** Reads what a batch of commands needs, as of the last completed write. Throws nothing. @returns no promise where it is in memory */
  read(reads: StateReads): StateView | Promise<StateView>;
  /**
   * Writes one batch atomically, with the id of the last entry it applied. One at a time. When it resolves all reads see
   * it, and a crash takes it back unless a checkpoint came after it. Rejects with StoreFailure, then or when more is
   * written: nothing may depend on the state alone that is not in the log. Throws nothing.
   *
   * @returns null where it has come to pass already, and more may be written
   */
  write(batch: StateBatch): Promise<void> | null;
  /** The index that no crash can take back any more: the log may be cut up to it. */
  readonly checkpointIndex: number;
  /** Makes a checkpoint of what is written now; resolves when it is durable. */
  checkpoint(): Promise<void>;
  /** The state as it is now, unmoved by what is written later. Holds space until it is closed. */
  freeze(): FrozenState;
  /** Makes a place for the image of a state, apart from this one. One at a time: an earlier one is abandoned. */
  receive(header: ImageHeader): Promise<StateReceiver>;
  /**
   * Puts the state that was received whole in the place of this one, at once for a crash and for readers: scans and
   * histories under way throw StateReplaced, what is asked for later is of the new state. No write may be under way.
   * Resolves when it is durable; the log is then to be reset unless it holds the applied entry.
   */
  install(receiver: StateReceiver): Promise<OpenedState>;
  /**
   * Puts records right that differ from the committed ones, as newest versions and nothing else: no revision, no event.
   * null for a key that must not be there. One batch; not while another write is under way.
   */
  repair(repairs: readonly RecordRepair[]): Promise<void>;
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

export interface OpenedState {
  readonly resident: ResidentState;
  readonly applied: EntryId;
}

/** What an image is of. */
export interface ImageHeader {
  /** How the chunks are written: only a store that knows the format can receive them. */
  readonly format: string;
  readonly applied: EntryId;
  readonly revision: number;
}

/** A part of an image, in order. */
export interface ImageChunk {
  /** Names the end of the chunk: the image can be gone on with after it. */
  readonly position: Uint8Array;
  readonly data: Uint8Array;
  /** CRC-32 of data. */
  readonly checksum: number;
  readonly isLast: boolean;
}

/** A state as of one moment. Its methods throw StoreFailure when the store failed, StateReplaced when it was replaced. */
export interface FrozenState {
  readonly header: ImageHeader;
  /** The whole state in chunks of bounded bytes. @param after the position of a chunk; null for the start */
  chunks(after: Uint8Array | null): AsyncIterable<ImageChunk>;
  /** The newest records of a range, in key order, in chunks of bounded bytes. */
  scan(query: Omit<RangeQuery, "revision">): AsyncIterable<readonly StoredRecord[]>;
  /** Safe to call twice, and while chunks are read: those then end with StateReplaced. */
  close(): void;
}

/** The place of a state that is being received. Does not touch the present one. */
export interface StateReceiver {
  readonly header: ImageHeader;
  /** The position of the last chunk that was put; null for none. */
  readonly position: Uint8Array | null;
  /** Takes the next chunk. Rejects with ImageDamaged, which leaves it as it was, or StoreFailure; see ReceiverFailure. */
  put(chunk: ImageChunk): Promise<void>;
  /** After the last chunk: makes all of it durable and reads what is kept in memory. Rejects like put. */
  complete(): Promise<OpenedState>;
  /** Removes it. Safe to call twice, and after install(), where it does nothing. */
  abandon(): Promise<void>;
}

/** A record that is to be put right. */
export interface RecordRepair {
  readonly namespaceId: number;
  readonly generation: number;
  readonly key: Uint8Array;
  /** null: it is not there. */
  readonly record: StoredRecord | null;
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
 * The place of a state that is being received is short of space or file descriptors: that state is to be abandoned. Nothing
 * was promised of it, and the present state and the log have nothing to do with it.
 */
export class ReceiverFailure extends StoreFailure {
  constructor(message: string, options: { readonly cause?: unknown }) {
    super(message, { dataLoss: false, cause: options.cause });
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

/** An installed snapshot took the place of the state that was being read. Start anew. */
export class StateReplaced extends Error {
  constructor() {
    super("the state was replaced by a snapshot while the read was under way");
    this.name = "StateReplaced";
  }
}

/** A chunk of an image is not what its sender made, or not the next one. */
export class ImageDamaged extends Error {
  constructor(what: string) {
    super(`an image of the state is damaged: ${what}`);
    this.name = "ImageDamaged";
  }
}

/** An image that a peer sends. */
export interface IncomingImage {
  /** Names it at its sender, to go on with it after the stream broke. */
  readonly imageId: number;
  readonly header: ImageHeader;
  /** Ends after the chunk that is the last; throws an Error when the stream breaks. */
  readonly chunks: AsyncIterable<ImageChunk>;
}

/** Brings images of the state from peers. */
export interface SnapshotSource {
  /**
   * Asks that peer for an image, a new one, or one that was begun, after a position. Rejects with an Error when it
   * cannot be reached, refuses, or does not know the image any more: then a new one is to be asked for.
   */
  fetch(
    from: MemberId,
    resume: { readonly imageId: number; readonly position: Uint8Array } | null,
    cancellation: Cancellation,
  ): Promise<IncomingImage>;
}

/** Carries messages to peers. May lose, delay and reorder; never blocks: what does not fit its bounds is dropped. */
export interface Transport {
  /** What is sent leaves at once, as far as it can: peers wait for nothing that this member does next. */
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
  /** Runs once, after the input that is being taken in, such as one chunk of a connection, and before other input that waits. */
  afterThisInput?(run: () => void): void;
  /** Takes in what does not come from a connection, such as the end of a write, as an input: see afterThisInput(). */
  takeIn?<Input>(tell: (input: Input) => void, input: Input): void;
  /** Runs once, about so many milliseconds from now, or never when the process ends before. */
  afterMs(delayMs: number, run: () => void): void;
}

/** SHA-256, which a pure folder cannot compute at native speed. */
export interface Digest {
  sha256(parts: readonly Uint8Array[]): Uint8Array;
}
