import {
  type Change,
  firstEvent,
  type KeyRange,
  type NamespaceState,
  rangeIsEmpty,
  type StoredRecord,
} from "#kv";
import { Canceller, ReadExpired, type ReadOutcome, StateReplaced, StoreFailure } from "#replica";
import { assert, concatBytes, unreachable } from "#std";
import { ChangeQueue } from "./change-queue";
import { type ChunkOutcome, Chunks } from "./chunks";
import { isWanted } from "./filter";
import { RecordQueue } from "./record-queue";
import { Segment } from "./segment";
import { SharedChange } from "./shared-change";
import type { WatchEndReason, WatchEvent, WatchFrame, WatchSpec } from "./watch";
import type { WatchPhase } from "./watch-phase";
import type { WatchedState } from "./watched-state";

/** So many records before changes are read at a time for a watch that got to changes whose records were not read. */
const PREVIOUS_AHEAD = 32;

type EndedFrame = Extract<WatchFrame, { kind: "ended" }>;

/**
 * One watch. It is pulled: nothing is read for it, and nothing made, before its consumer asks for the next frame. While
 * it tells what was, what is written meanwhile waits in its live queue, so that the two join without a gap; where that
 * gets too much, the queue is dropped and history is read further instead.
 */
export class Watch {
  /** Called when there may be something to take again; not while next() waits. */
  onReady: (() => void) | null = null;
  private phase: WatchPhase = { kind: "opening" };
  private namespace: NamespaceState | null = null;
  private readonly records: RecordQueue;
  private past = new ChangeQueue();
  private live = new ChangeQueue();
  /** What was read last of the present state or of history, told or not. */
  private lastKey: Uint8Array | null = null;
  private lastChange: { readonly revision: number; readonly ordinal: number } | null = null;
  /** Whether the live queue holds all that was written after the present phase's `upTo`. */
  private isJoined = false;
  /** All events up to it were told. Counts until the watch is live. */
  private told = 0;
  private isCreatedTold = false;
  private isAmidRevision = false;
  private isAskedForProgress = false;
  /** When its namespace was deleted: it ends once the queue is empty. */
  private isNamespaceGone = false;
  private ending: EndedFrame | null = null;
  private hasEnded = false;
  private toldAtMs: number;
  private waiter: ((frame: WatchFrame | null) => void) | null = null;
  private readonly opening = new Canceller();

  constructor(
    private readonly state: WatchedState,
    readonly spec: WatchSpec,
  ) {
    assert(!spec.withCurrentState || spec.startRevision === 0, "the present state is told as of now");
    this.records = new RecordQueue(state.ledger);
    this.toldAtMs = state.nowMs();
  }

  /** Whether its end was told. */
  get isOver(): boolean {
    return this.hasEnded;
  }

  /** What it keeps in memory, alone or with others. */
  get waitingBytes(): number {
    return this.past.heldBytes + this.live.heldBytes + this.records.bytes;
  }

  /** 0 before it was created. */
  get namespaceId(): number {
    return this.namespace?.id ?? 0;
  }

  /**
   * The next frame, when there is one; null when the end was told before. One call at a time.
   *
   * @throws what nobody expected of a store
   */
  next(): Promise<WatchFrame | null> {
    assert(this.waiter === null, "a watch is asked for one frame at a time");
    const frame = this.take();
    if (frame !== null || this.hasEnded) return Promise.resolve(frame);
    return new Promise((resolve) => {
      this.waiter = resolve;
    });
  }

  /** The next frame, or null while there is none: onReady is called when it is worth asking again. */
  take(): WatchFrame | null {
    if (this.hasEnded) return null;
    const frame = this.nextFrame();
    if (frame === null) return null;
    this.toldAtMs = this.state.nowMs();
    if (frame.kind === "ended") this.hasEnded = true;
    return frame;
  }

  /** What was not taken yet is dropped; the end is told. */
  cancel(): void {
    this.end("cancelled");
  }

  /** Progress is told soon: how far the watch has come, once it has told what had happened by now. */
  askProgress(): void {
    this.isAskedForProgress = true;
    this.signal();
  }

  /** Begins to wait for the beginning. */
  begin(): void {
    const request = {
      namespace: this.spec.namespace,
      consistency: "linearizable" as const,
      minRevision: 0,
      maxStalenessMs: 0,
      revision: 0,
    };
    void this.state.readPoint(request, this.opening).then((outcome) => this.onReadPoint(outcome));
  }

  /** A batch wrote this. To be followed by settle() when it was pushed to all watches. */
  push(segment: Segment): void {
    this.live.push(segment);
  }

  /** Too slow is a watch for which too much waits beside the largest batch: the size of that is no fault of it. */
  settle(): void {
    const { eventsMax, bytesMax } = this.state.bounds;
    if (!this.live.isBeyond(eventsMax, bytesMax)) {
      this.signal();
    } else if (this.phase.kind === "live") {
      this.end("slow");
    } else {
      this.isJoined = false;
      this.state.leave(this);
      this.live.clear();
    }
  }

  /** Its namespace was deleted, which was pushed as a truncation if it held keys. */
  namespaceDeleted(): void {
    this.isNamespaceGone = true;
    this.state.leave(this);
    this.signal();
  }

  /**
   * A snapshot took the place of the state, and what was written since `revision`, up to which all was pushed, will not
   * be: it is read from the new state's history.
   */
  stateReplaced(revision: number): void {
    if (!this.isJoined) return;
    this.isJoined = false;
    this.state.leave(this);
    if (this.phase.kind === "live") {
      // Empty while the watch is live.
      [this.past, this.live] = [this.live, this.past];
      this.phase = { kind: "past", upTo: revision, chunks: null, isRead: true };
    } else this.live.clear();
    this.signal();
  }

  /** Nothing more is told but the end. */
  end(reason: WatchEndReason, oldestRevision = 0): void {
    if (this.ending !== null) return;
    this.conclude(reason, oldestRevision);
    this.signal();
  }

  /** Tells progress unasked if nothing was told for its interval. */
  tick(nowMs: number): void {
    if (nowMs - this.toldAtMs < this.spec.progressIntervalMs || this.phase.kind !== "live") return;
    if (this.live.length === 0) this.askProgress();
  }

  private onReadPoint(outcome: ReadOutcome): void {
    if (this.ending !== null) return;
    if (outcome.kind === "ready") {
      this.start();
      return;
    }
    assert(
      outcome.kind !== "compacted" && outcome.kind !== "future_revision",
      "a read that asks for no revision finds one",
    );
    this.end(outcome.kind);
  }

  /**
   * In one turn with the look at the state: from its revision on everything that is written comes through push(), so
   * that what was is told up to it, and nothing is told twice.
   */
  private start(): void {
    const { state, spec } = this;
    const namespace = state.namespace(spec.namespace);
    if (namespace === null) {
      this.end("unknown_namespace");
      return;
    }
    const first = firstEvent(namespace, state.meta);
    if (spec.startRevision !== 0 && spec.startRevision < first) {
      this.end("compacted", first);
      return;
    }
    if (spec.startRevision > state.revision + 1) {
      this.end("future_revision");
      return;
    }
    this.namespace = namespace;
    this.told = spec.startRevision === 0 ? state.revision : spec.startRevision - 1;
    if (spec.withCurrentState) this.readCurrent(namespace);
    else this.readPast();
    this.signal();
  }

  private nextFrame(): WatchFrame | null {
    if (this.ending !== null) return this.ending;
    if (this.phase.kind === "opening") return null;
    if (!this.isCreatedTold) {
      this.isCreatedTold = true;
      return { kind: "created", revision: this.told };
    }
    const frame = this.nextPart();
    if (frame !== null) return frame;
    if (!this.isAskedForProgress || this.phase.kind === "current" || this.isAmidRevision) return null;
    this.isAskedForProgress = false;
    return { kind: "progress", revision: this.position() };
  }

  /** What there is to tell beside progress. Goes on to the next phase where one is told to its end. */
  private nextPart(): WatchFrame | null {
    for (;;) {
      const { phase } = this;
      switch (phase.kind) {
        case "opening":
          return null;
        case "current": {
          const frame = this.takeRecords(phase.upTo, phase.isRead);
          if (frame === null) phase.chunks?.ask();
          else if (!frame.more) this.readPast();
          return frame;
        }
        case "past": {
          const frame = this.takeEvents(this.past, phase.isRead);
          if (frame !== null) return frame;
          if (!phase.isRead) {
            if (this.past.length <= 1) phase.chunks?.ask();
            return null;
          }
          if (this.past.length > 0) return null;
          this.told = phase.upTo;
          this.readPast();
          if (this.ending !== null) return this.ending;
          break;
        }
        case "live": {
          const frame = this.takeEvents(this.live, true);
          if (frame !== null || !this.isNamespaceGone || this.live.length > 0) return frame;
          return this.conclude("unknown_namespace");
        }
        default:
          return unreachable(phase);
      }
    }
  }

  /** Parts of the present state; one record stays behind until it is known whether it is the last. */
  private takeRecords(
    revision: number,
    isComplete: boolean,
  ): Extract<WatchFrame, { kind: "current" }> | null {
    const records = this.records.take(this.state.bounds.frameBytesMax, isComplete ? 0 : 1);
    if (records.length === 0 && !isComplete) return null;
    return { kind: "current", revision, records, more: !isComplete || this.records.length > 0 };
  }

  /** As many events as a frame may hold; one stays behind until it is known whether more of its revision follow. */
  private takeEvents(queue: ChangeQueue, isComplete: boolean): WatchFrame | null {
    const { frameBytesMax, frameEventsMax } = this.state.bounds;
    const { withPrevious } = this.spec;
    const events: WatchEvent[] = [];
    let bytes = 0;
    let last = 0;
    while (events.length < frameEventsMax && queue.length > (isComplete ? 0 : 1)) {
      const item = queue.peek() as SharedChange;
      if (withPrevious && item.previous.kind !== "known") {
        if (events.length > 0) break;
        if (item.previous.kind === "lost") return this.onLost(item.previous.thrown);
        this.readPrevious(queue);
        break;
      }
      bytes += item.bytes + (withPrevious ? item.previousBytes : 0);
      if (events.length > 0 && bytes > frameBytesMax) break;
      events.push(withPrevious ? item.full() : item.plain());
      last = item.revision;
      queue.shift();
    }
    if (events.length === 0) return null;
    const more = queue.peek()?.revision === last;
    const revision = more ? last - 1 : last;
    this.told = revision;
    this.isAmidRevision = more;
    return { kind: "events", revision, events, more };
  }

  private readPrevious(queue: ChangeQueue): void {
    const { previous } = this.state;
    previous.whenRead(this.onRead);
    void previous.read(queue.head(PREVIOUS_AHEAD), this.state.bounds.frameBytesMax);
  }

  private readonly onRead = (): void => this.signal();

  private readCurrent(namespace: NamespaceState): void {
    const upTo = this.join();
    this.told = upTo;
    this.scanCurrent(namespace, upTo, this.spec.range);
  }

  private scanCurrent({ id, generation }: NamespaceState, upTo: number, range: KeyRange): void {
    const { state } = this;
    const query = {
      ...range,
      namespaceId: id,
      generation,
      revision: upTo,
      reverse: false,
      keysOnly: false,
    };
    const chunks = rangeIsEmpty(range)
      ? null
      : new Chunks(state.scan(query), state.gate, (outcome) => this.onRecords(outcome));
    this.phase = { kind: "current", upTo, chunks, isRead: chunks === null };
  }

  /** Goes on behind what was told: to the live queue where that has it all, else to history. */
  private readPast(): void {
    const { state, spec } = this;
    if (this.isJoined) {
      this.phase = { kind: "live" };
      return;
    }
    const namespaceId = this.namespaceId;
    if (state.namespace(spec.namespace)?.id !== namespaceId) {
      this.conclude("unknown_namespace");
      return;
    }
    const from = this.told + 1;
    const upTo = this.join();
    if (from > upTo) {
      this.phase = { kind: "live" };
      return;
    }
    this.lastChange = null;
    this.readHistory(from, upTo);
  }

  private readHistory(from: number, upTo: number): void {
    const { state, spec, namespaceId } = this;
    const chunks = new Chunks(
      state.history({ namespaceId, from, to: upTo, range: spec.range }),
      state.gate,
      (outcome) => this.onChanges(outcome),
    );
    this.phase = { kind: "past", upTo, chunks, isRead: false };
  }

  /** From now on what is written waits in the live queue. Returns the revision that it begins after. */
  private join(): number {
    this.live.clear();
    this.state.join(this);
    this.isJoined = true;
    return this.state.revision;
  }

  private onRecords(outcome: ChunkOutcome<StoredRecord>): void {
    const { phase, namespace } = this;
    if (phase.kind !== "current" || namespace === null) return;
    if (outcome.kind === "failed") {
      const present = this.state.namespace(this.spec.namespace);
      // Truncated before the first record was read: the state as of now does as well.
      if (outcome.thrown instanceof ReadExpired && present?.id === namespace.id && !this.records.wasUsed) {
        this.namespace = present;
        this.readCurrent(present);
      } else if (outcome.thrown instanceof StateReplaced) {
        // The new state has what was there at this revision as well, or says that it has not.
        const { start, end } = this.spec.range;
        const next = this.lastKey === null ? start : concatBytes([this.lastKey, Uint8Array.of(0)]);
        this.scanCurrent(namespace, phase.upTo, { start: next, end });
      } else this.onLost(outcome.thrown);
    } else if (outcome.kind === "done") phase.isRead = true;
    else {
      for (const record of outcome.items) this.records.push(record);
      this.lastKey = outcome.items.at(-1)?.key ?? this.lastKey;
    }
    this.state.hasGrown();
    this.signal();
  }

  private onChanges(outcome: ChunkOutcome<Change>): void {
    const { phase } = this;
    if (phase.kind !== "past") return;
    if (outcome.kind === "failed" && outcome.thrown instanceof StateReplaced) {
      // History is the same in the new state; the revision that was broken off in is gone through again.
      this.readHistory(this.lastChange?.revision ?? this.told + 1, phase.upTo);
    } else if (outcome.kind === "failed") this.onLost(outcome.thrown);
    else if (outcome.kind === "done") phase.isRead = true;
    else {
      const wanted = outcome.items.filter((change) => this.isNew(change) && isWanted(this.spec, change));
      const last = outcome.items.at(-1);
      if (last !== undefined && this.isNew(last)) this.lastChange = last;
      const items = wanted.map((change) => new SharedChange(change));
      if (items.length > 0) this.past.push(new Segment(items, this.state.ledger));
    }
    this.state.hasGrown();
    this.signal();
  }

  private isNew({ revision, ordinal }: Change): boolean {
    const last = this.lastChange;
    return (
      last === null || revision > last.revision || (revision === last.revision && ordinal > last.ordinal)
    );
  }

  /** The store could not tell what the watch needs. */
  private onLost(thrown: unknown): WatchFrame | null {
    if (thrown instanceof StoreFailure) return this.conclude("store_lost");
    if (!(thrown instanceof ReadExpired)) throw thrown;
    const namespace = this.state.namespace(this.spec.namespace);
    if (namespace?.id !== this.namespaceId) return this.conclude("unknown_namespace");
    return this.conclude("compacted", firstEvent(namespace, this.state.meta));
  }

  private conclude(reason: WatchEndReason, oldestRevision = 0): EndedFrame {
    const resumeRevision = this.resumeRevision(reason);
    this.ending = { kind: "ended", reason, resumeRevision, oldestRevision };
    this.opening.abort();
    this.state.leave(this);
    this.state.ended(this);
    if (this.phase.kind === "current" || this.phase.kind === "past") this.phase.chunks?.close();
    this.records.clear();
    this.past.clear();
    this.live.clear();
    return this.ending;
  }

  private resumeRevision(reason: WatchEndReason): number {
    if (reason === "compacted" || reason === "future_revision" || reason === "unknown_namespace") return 0;
    switch (this.phase.kind) {
      case "opening":
        return this.spec.startRevision;
      case "current":
        return 0;
      case "past":
      case "live":
        return this.position() + 1;
    }
  }

  /** All events up to it were told. */
  private position(): number {
    if (this.phase.kind !== "live") return this.told;
    const next = this.live.peek();
    return next === undefined ? this.state.revision : next.revision - 1;
  }

  private signal(): void {
    const { waiter } = this;
    if (waiter === null) {
      this.onReady?.();
      return;
    }
    const frame = this.take();
    if (frame === null) return;
    this.waiter = null;
    waiter(frame);
  }
}
