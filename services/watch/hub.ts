import type { NamespaceState, StateMeta, StateWrites } from "#kv";
import type { HistoryQuery, RangeQuery, Replica } from "#replica";
import { assert } from "#std";
import { Gate } from "./gate";
import { Watch } from "./open-watch";
import { PreviousRecords } from "./previous-records";
import { Segment } from "./segment";
import { Ledger, SharedChange } from "./shared-change";
import type { WatchEndReason, WatchSpec } from "./watch";
import { type WatchGroup, WatchIndex } from "./watch-index";
import {
  DEFAULT_WATCH_BOUNDS,
  type WatchBounds,
  type WatchedReplica,
  type WatchedState,
} from "./watched-state";

/** How exact progress intervals and the wait for a leader are kept. */
const TICK_MS_MIN = 50;

export interface WatchHubOptions {
  readonly replica: WatchedReplica;
  /** Watches end when no leader was known for so long: this node may be cut off, and another may know more. */
  readonly noLeaderMs: number;
  readonly bounds?: Partial<WatchBounds>;
}

/**
 * All watches of one replica. It is told what the store has written, in order and in the same turn in which reads may
 * see it; whatever member it belongs to, a watch tells the same events. See DESIGN.md.
 */
export class WatchHub {
  private readonly replica: WatchedReplica;
  private readonly bounds: WatchBounds;
  private readonly noLeaderMs: number;
  private readonly index = new WatchIndex<Watch>();
  private readonly watches = new Set<Watch>();
  private readonly withInterval = new Set<Watch>();
  private readonly ledger = new Ledger();
  private readonly previous: PreviousRecords;
  private readonly state: WatchedState;
  private revision: number;
  private nowMs = 0;
  private isLeaderKnown = true;
  private noLeaderSinceMs: number | null = null;
  private closedBy: WatchEndReason | null = null;

  constructor({ replica, noLeaderMs, bounds }: WatchHubOptions) {
    this.replica = replica;
    this.noLeaderMs = noLeaderMs;
    this.bounds = { ...DEFAULT_WATCH_BOUNDS, ...bounds };
    this.revision = replica.meta.revision;
    this.previous = new PreviousRecords(replica.state, this.ledger);
    this.state = this.stateForWatches();
  }

  /** Watches that are open. */
  get size(): number {
    return this.watches.size;
  }

  /** How many may be open. */
  get watchesMax(): number {
    return this.bounds.watchesMax;
  }

  /** Bytes that wait for watches, each change counted once. */
  get waitingBytes(): number {
    return this.ledger.bytes;
  }

  /** Never throws: a watch that cannot be opened tells that it has ended. */
  open(spec: WatchSpec): Watch {
    const watch = new Watch(this.state, spec);
    if (this.closedBy !== null) watch.end(this.closedBy);
    else if (this.watches.size >= this.bounds.watchesMax) watch.end("too_many");
    else {
      this.watches.add(watch);
      if (spec.progressIntervalMs > 0) this.withInterval.add(watch);
      watch.begin();
    }
    return watch;
  }

  /** The store has written this, and reads see it. */
  written({ changes, namespacesDeleted, meta }: StateWrites): void {
    const segments = new Map<WatchGroup<Watch>, SharedChange[]>();
    const wantedPrevious: SharedChange[] = [];
    for (const change of changes) {
      let shared: SharedChange | null = null;
      let isPreviousWanted = false;
      this.index.forEachWanting(change, (group) => {
        shared ??= new SharedChange(change);
        const items = segments.get(group);
        if (items === undefined) segments.set(group, [shared]);
        else items.push(shared);
        isPreviousWanted ||= group.spec.withPrevious;
      });
      if (shared !== null && isPreviousWanted) wantedPrevious.push(shared);
    }
    const touched = this.push(segments);
    assert(meta.revision >= this.revision, "the revision never falls");
    this.revision = meta.revision;
    if (wantedPrevious.length > 0) void this.previous.read(wantedPrevious, this.bounds.previousBytesMax);
    for (const watch of touched) watch.settle();
    for (const { id } of namespacesDeleted) {
      for (const watch of this.index.of(id)) watch.namespaceDeleted();
    }
    this.keepBound();
  }

  /** A snapshot took the place of the whole state, which reads see now. */
  installed(): void {
    const before = this.revision;
    this.revision = this.replica.meta.revision;
    // One that was wrong may have counted further than the one that takes its place: what was told of it is no history.
    if (this.revision < before) this.endAll("store_lost");
    for (const watch of [...this.watches]) watch.stateReplaced(before);
  }

  /** To be told when it changes; until it was told a leader is taken for known. */
  leaderKnown(isKnown: boolean): void {
    this.isLeaderKnown = isKnown;
    if (isKnown) this.noLeaderSinceMs = null;
  }

  /** To be called often, with a monotonic clock. */
  tick(nowMs: number): void {
    if (nowMs - this.nowMs < TICK_MS_MIN) return;
    this.nowMs = nowMs;
    if (!this.isLeaderKnown) {
      this.noLeaderSinceMs ??= nowMs;
      if (nowMs - this.noLeaderSinceMs >= this.noLeaderMs) this.endAll("no_leader");
    }
    for (const watch of [...this.withInterval]) watch.tick(nowMs);
  }

  /** Ends all watches, and all that are opened later. Safe to call twice. */
  close(reason: "stopping" | "store_lost" = "stopping"): void {
    this.closedBy ??= reason;
    this.endAll(this.closedBy);
  }

  /** Each watch of a group gets all that it is to tell of a batch at once, so that this costs no more the more that is. */
  private push(segments: ReadonlyMap<WatchGroup<Watch>, readonly SharedChange[]>): readonly Watch[] {
    const touched: Watch[] = [];
    for (const [{ watches }, items] of segments) {
      const segment = new Segment(items, this.ledger);
      for (const watch of watches) {
        watch.push(segment);
        touched.push(watch);
      }
    }
    return touched;
  }

  private endAll(reason: WatchEndReason): void {
    for (const watch of [...this.watches]) watch.end(reason);
  }

  /** What waits for one watch is bounded; that there are many is, too. */
  private keepBound(): void {
    const { bytesOfAllMax } = this.bounds;
    if (this.ledger.bytes <= bytesOfAllMax) return;
    const holding = [...this.watches].map((watch) => ({ watch, bytes: watch.waitingBytes }));
    for (const { watch, bytes } of holding.sort((left, right) => right.bytes - left.bytes)) {
      if (bytes === 0 || this.ledger.bytes <= bytesOfAllMax) return;
      watch.end("slow");
    }
  }

  private stateForWatches(): WatchedState {
    const { replica, bounds, ledger, previous, index } = this;
    const hub = this;
    return {
      bounds,
      ledger,
      previous,
      gate: new Gate(bounds.readsMax),
      get revision(): number {
        return hub.revision;
      },
      get meta(): StateMeta {
        return replica.meta;
      },
      readPoint: (request, cancellation) => replica.readPoint(request, cancellation),
      scan: (query: RangeQuery) => replica.state.scan(query),
      history: (query: HistoryQuery) => replica.state.history(query),
      namespace: (name): NamespaceState | null => replica.namespace(name),
      nowMs: () => this.nowMs,
      join: (watch) => index.add(watch.namespaceId, watch),
      leave: (watch) => index.remove(watch.namespaceId, watch),
      hasGrown: () => this.keepBound(),
      ended: (watch) => {
        this.watches.delete(watch);
        this.withInterval.delete(watch);
      },
    };
  }
}

/** The hub of a replica, told by it of everything it needs to hear but the time: see WatchHub.tick. */
export function watchReplica(
  replica: WatchedReplica & Pick<Replica, "subscribe" | "leader">,
  options: Omit<WatchHubOptions, "replica">,
): WatchHub {
  const hub = new WatchHub({ replica, ...options });
  hub.leaderKnown(replica.leader.id !== null);
  replica.subscribe({
    written: (writes) => hub.written(writes),
    isWaiting: () => hub.size > 0,
    installed: () => hub.installed(),
    leaderChanged: (leaderId) => hub.leaderKnown(leaderId !== null),
    failed: () => hub.close("store_lost"),
  });
  return hub;
}
