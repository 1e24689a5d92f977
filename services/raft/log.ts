import { assert } from "#std";
import { type Entry, type EntryId, entryBytes, type Index, type Term } from "./entry";
import type { LogReader } from "./log-reader";
import { LogTail } from "./log-tail";

/** A batch of committed entries that was handed out and is not applied yet. */
interface ApplyingBatch {
  readonly last: Index;
  readonly bytes: number;
  readonly payloadBytes: number;
}

/**
 * The log as one: the stored part, read through the port, and the tail that is not durable yet. Keeps
 * applied <= applying <= commit <= last.
 */
export class RaftLog {
  private tail: LogTail;
  private commitIndex: Index;
  private applyingIndex: Index;
  private appliedIndex: Index;
  private readonly applyingBatches: ApplyingBatch[] = [];
  private applyingBytes = 0;
  private isApplyingPaused = false;

  constructor(
    private readonly reader: LogReader,
    start: {
      readonly commit: Index;
      readonly applied: Index;
      readonly applyingBytesMax: number;
      readonly appliesOnlyDurable: boolean;
    },
  ) {
    const lastIndex = reader.lastIndex();
    const lastTerm = reader.term(lastIndex);
    assert(typeof lastTerm === "number", "the last entry of the stored log has a term");
    assert(start.applied <= start.commit, "only what is committed is applied");
    assert(start.commit <= lastIndex, "what is committed is in the log");
    this.tail = new LogTail({ term: lastTerm, index: lastIndex });
    this.commitIndex = start.commit;
    this.applyingIndex = start.applied;
    this.appliedIndex = start.applied;
    this.applyingBytesMax = start.applyingBytesMax;
    this.appliesOnlyDurable = start.appliesOnlyDurable;
  }

  private readonly applyingBytesMax: number;
  private readonly appliesOnlyDurable: boolean;

  get commit(): Index {
    return this.commitIndex;
  }

  get applied(): Index {
    return this.appliedIndex;
  }

  get firstIndex(): Index {
    return this.reader.firstIndex();
  }

  get lastIndex(): Index {
    return this.tail.lastIndex;
  }

  get last(): EntryId {
    return this.tail.lastId;
  }

  /** The term of an entry: "compacted" below the log, "unavailable" above it. */
  term(index: Index): Term | "compacted" | "unavailable" {
    const term = this.tail.term(index);
    if (term !== null) return term;
    // The stored log may still hold entries that the tail replaces: they are not part of the log any more.
    return index > this.tail.lastIndex ? "unavailable" : this.reader.term(index);
  }

  matches(id: EntryId): boolean {
    return this.term(id.index) === id.term;
  }

  /** Whether a log that ends in `last` is at least as new as this one, so that its owner may lead (Raft paper, 5.4.1). */
  isUpToDate(last: EntryId): boolean {
    const own = this.last;
    return last.term > own.term || (last.term === own.term && last.index >= own.index);
  }

  /** Whether the entry at the commit index is of that term: what a leader needs before it answers reads (thesis 6.4). */
  hasCommittedIn(term: Term): boolean {
    return this.term(this.commitIndex) === term;
  }

  /**
   * The entries from `from` to the end, as many as fit into bytesMax but at least one; none when `from` is past the
   * end, "compacted" when the entry at `from` is gone.
   */
  entriesFrom(from: Index, bytesMax: number): readonly Entry[] | "compacted" {
    return from > this.lastIndex ? [] : this.slice(from, this.lastIndex + 1, bytesMax);
  }

  /** Appends a leader's own entries. */
  append(entries: readonly Entry[]): void {
    this.tail.append(entries);
  }

  /**
   * Appends what a leader sent, if the logs match at `previous`, and moves the commit index with it; null when they do
   * not match. Returns the index up to which the log now equals the leader's (Raft paper, figure 2, AppendEntries).
   */
  appendAfter(previous: EntryId, entries: readonly Entry[], leaderCommit: Index): Index | null {
    if (!this.matches(previous)) return null;
    const matched = previous.index + entries.length;
    const firstNew = this.firstNewAmong(entries);
    if (firstNew < entries.length) {
      const index = previous.index + 1 + firstNew;
      assert(index > this.commitIndex, "a committed entry is never replaced");
      if (index <= this.lastIndex) this.tail.cutAfter(this.idAt(index - 1));
      this.tail.append(firstNew === 0 ? entries : entries.slice(firstNew));
    }
    this.commitTo(Math.min(leaderCommit, matched));
    return matched;
  }

  /**
   * The last place at or below `index` where this log may equal one that has `term` at `index`: the first, downwards,
   * whose term is not greater. Term 0 where it is not known.
   */
  conflictHint(index: Index, term: Term): EntryId {
    for (let guess = index; guess > 0; guess -= 1) {
      const own = this.term(guess);
      if (typeof own !== "number") return { term: 0, index: guess };
      if (own <= term) return { term: own, index: guess };
    }
    return { term: 0, index: 0 };
  }

  /** Moves the commit index to an entry that a quorum holds, if it is of the leader's term (Raft paper, 5.4.2). */
  commitByCounting(id: EntryId): boolean {
    if (id.index <= this.commitIndex || !this.matches(id)) return false;
    this.commitTo(id.index);
    return true;
  }

  /** Moves the commit index up to what a leader says is committed; never down. */
  commitTo(index: Index): void {
    if (index <= this.commitIndex) return;
    assert(
      index <= this.lastIndex,
      "what is committed is in the log: else it was lost or cut after it was acknowledged",
    );
    this.commitIndex = index;
  }

  /**
   * Goes on after an entry beyond the commit index that an installed state has applied, and that the stored log holds or
   * begins after. What follows it stays where the log holds that very entry.
   */
  restore(last: EntryId): void {
    assert(last.index > this.commitIndex, "what is committed is not replaced");
    assert(this.reader.term(last.index) === last.term, "the stored log holds the entry, or begins after it");
    // Asked of the tail alone: a stored log that was reset knows the entry whatever it held before.
    const isInTail = this.tail.term(last.index) === last.term;
    const storedTo = this.tail.firstIndex - 1;
    const isStored = last.index < storedTo && this.reader.lastIndex() >= storedTo;
    if (isInTail) this.tail.restartAfter(last);
    else if (!isStored) this.tail = new LogTail(last);
    this.commitIndex = last.index;
    this.applyingIndex = last.index;
    this.appliedIndex = last.index;
    this.applyingBatches.length = 0;
    this.applyingBytes = 0;
    this.isApplyingPaused = false;
  }

  get hasEntriesToStore(): boolean {
    return this.tail.hasUnhanded;
  }

  /** Hands out the entries that are to be stored, each once unless it is replaced. */
  takeEntriesToStore(): readonly Entry[] {
    return this.tail.hasUnhanded ? this.tail.handOut() : NO_ENTRIES;
  }

  /** The last entry that a write under way will make durable; null when nothing is under way or to come. */
  get lastUndurable(): EntryId | null {
    return this.tail.isEmpty ? null : this.tail.lastId;
  }

  dropDurable(id: EntryId): void {
    this.tail.dropDurable(id);
  }

  get hasEntriesToApply(): boolean {
    return !this.isApplyingPaused && this.applyingIndex < this.applicableIndex;
  }

  /** Up to where entries may be applied. What the tail holds is not known to be durable. */
  private get applicableIndex(): Index {
    return this.appliesOnlyDurable ? Math.min(this.commitIndex, this.tail.firstIndex - 1) : this.commitIndex;
  }

  /** Hands out committed entries, each once, as far as the bound on what is being applied allows. */
  takeEntriesToApply(): readonly Entry[] {
    if (!this.hasEntriesToApply) return NO_ENTRIES;
    const last = this.applicableIndex;
    const room = this.applyingBytesMax - this.applyingBytes;
    assert(room > 0, "applying pauses when its bound is reached");
    const entries = this.slice(this.applyingIndex + 1, last + 1, room);
    assert(entries !== "compacted", "only applied entries are compacted");
    let bytes = 0;
    let payload = 0;
    for (const entry of entries) {
      bytes += entryBytes(entry);
      payload += entry.data.length;
    }
    this.applyingIndex += entries.length;
    this.applyingBytes += bytes;
    this.applyingBatches.push({ last: this.applyingIndex, bytes, payloadBytes: payload });
    // When the bound cut the batch short, the rest waits too: what is left would only trickle out entry by entry.
    this.isApplyingPaused = this.applyingBytes >= this.applyingBytesMax || this.applyingIndex < last;
    return entries;
  }

  /** Notes that everything up to `index` is applied. Returns the bytes of the commands of the batches completed by it. */
  appliedTo(index: Index): number {
    assert(index >= this.appliedIndex, "the applied index never falls");
    assert(index <= this.applyingIndex, "only what was handed out can be applied");
    this.appliedIndex = index;
    let payload = 0;
    for (let batch = this.applyingBatches[0]; batch !== undefined && batch.last <= index; ) {
      this.applyingBytes -= batch.bytes;
      payload += batch.payloadBytes;
      this.applyingBatches.shift();
      batch = this.applyingBatches[0];
    }
    this.isApplyingPaused = this.applyingBytes >= this.applyingBytesMax;
    return payload;
  }

  /** Whether a change of the configuration is committed but not applied: its outcome is unknown here. */
  hasUnappliedConfigurationChange(): boolean {
    return this.hasConfigurationChange(this.appliedIndex + 1, this.commitIndex);
  }

  /** Whether a change of the configuration lies in [first, last], none of which may be compacted. */
  hasConfigurationChange(first: Index, last: Index): boolean {
    let from = first;
    while (from <= last) {
      const entries = this.slice(from, last + 1, this.applyingBytesMax);
      assert(entries !== "compacted", "only applied entries are compacted");
      assert(entries.length > 0, "the log holds what is committed");
      if (entries.some((entry) => entry.kind !== "normal")) return true;
      from += entries.length;
    }
    return false;
  }

  private idAt(index: Index): EntryId {
    const term = this.term(index);
    assert(typeof term === "number", "the term of an entry in the log is known");
    return { term, index };
  }

  /** How many of the entries the log holds already: the place, among them, of the first that is new or differs. */
  private firstNewAmong(entries: readonly Entry[]): number {
    const first = entries[0];
    if (first === undefined || first.index > this.lastIndex) return 0;
    const differing = entries.findIndex((entry) => !this.matches(entry));
    return differing < 0 ? entries.length : differing;
  }

  /** Entries in [from, toExclusive), across both parts, within bytesMax but at least one. */
  private slice(from: Index, toExclusive: Index, bytesMax: number): readonly Entry[] | "compacted" {
    assert(from < toExclusive && toExclusive <= this.lastIndex + 1, "the slice is in the log");
    const tailFrom = this.tail.firstIndex;
    if (from >= tailFrom) return this.tail.slice(from, toExclusive, bytesMax);
    if (from < this.reader.firstIndex()) return "compacted";
    const storedTo = Math.min(toExclusive, tailFrom);
    const stored = this.reader.entries({ from, toExclusive: storedTo, bytesMax });
    assert(stored.length > 0 && stored[0]?.index === from, "the stored log answers from where it was asked");
    // A shorter answer than asked for means that the next entry did not fit.
    if (toExclusive <= tailFrom || stored.length < storedTo - from) return stored;
    return this.continueIntoTail(stored, toExclusive, bytesMax);
  }

  private continueIntoTail(stored: readonly Entry[], toExclusive: Index, bytesMax: number): readonly Entry[] {
    let room = bytesMax;
    if (bytesMax !== Number.POSITIVE_INFINITY) for (const entry of stored) room -= entryBytes(entry);
    if (room <= 0) return stored;
    const rest = this.tail.slice(this.tail.firstIndex, toExclusive, room);
    // A slice holds at least one entry even where none fits; but `stored` is already that one.
    return rest.length === 1 && entryBytes(rest[0] as Entry) > room ? stored : stored.concat(rest);
  }
}

const NO_ENTRIES: readonly Entry[] = [];
