import type { NamespaceState, StateMeta } from "#kv";
import type { Replica, StateStore } from "#replica";
import type { Gate } from "./gate";
import type { Watch } from "./open-watch";
import type { PreviousRecords } from "./previous-records";
import type { Ledger } from "./shared-change";

/** What watches may hold and do at most. */
export interface WatchBounds {
  /** Watches that are open. */
  readonly watchesMax: number;
  /** Changes, and bytes of them, that wait for a live watch beside what the largest batch of commands wrote. */
  readonly eventsMax: number;
  readonly bytesMax: number;
  /** Bytes that wait for all watches together, each change counted once; beyond it the one with the most ends as slow. */
  readonly bytesOfAllMax: number;
  readonly frameEventsMax: number;
  /** With room for what the frame takes beside its events, so that no message is larger than 1 MiB unless one event is. */
  readonly frameBytesMax: number;
  /** Chunks of history and of present state that are read at a time. */
  readonly readsMax: number;
  /** Bytes of records before changes that are read at once when the changes of a batch were written. */
  readonly previousBytesMax: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_WATCH_BOUNDS: WatchBounds = {
  watchesMax: 10_000,
  eventsMax: 4096,
  bytesMax: 4 * MIB,
  bytesOfAllMax: 256 * MIB,
  frameEventsMax: 1024,
  frameBytesMax: MIB - 4 * 1024,
  readsMax: 32,
  previousBytesMax: 8 * MIB,
};

/** The part of a replica that is watched. */
export interface WatchedReplica extends Pick<Replica, "readPoint" | "namespace" | "meta"> {
  readonly state: Pick<StateStore, "records" | "scan" | "history">;
}

/** What a watch has of the hub that it belongs to. */
export interface WatchedState {
  readonly bounds: WatchBounds;
  readonly ledger: Ledger;
  readonly gate: Gate;
  readonly previous: PreviousRecords;
  /** Up to which all that was written has been passed on. */
  readonly revision: number;
  readonly meta: StateMeta;
  readonly readPoint: Replica["readPoint"];
  readonly scan: StateStore["scan"];
  readonly history: StateStore["history"];
  namespace(name: string): NamespaceState | null;
  nowMs(): number;
  /** From now on what is written in its namespace is pushed to the watch. */
  join(watch: Watch): void;
  leave(watch: Watch): void;
  /** More waits than before. */
  hasGrown(): void;
  /** It counts as open no longer. */
  ended(watch: Watch): void;
}
