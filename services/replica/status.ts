import type { RaftStatus } from "#raft";
import type { ReplicaParts } from "./parts";
import type { LogStore, StateStore } from "./ports";
import type { Receiving } from "./snapshot-receiver";

/** What a replica knows of itself. */
export interface ReplicaStatus {
  readonly raft: RaftStatus;
  /** The last entry whose effects can be read here. */
  readonly appliedIndex: number;
  readonly revision: number;
  /** Replicated time. */
  readonly timeMs: number;
  readonly sessions: number;
  readonly leases: number;
  /** Over all namespaces. */
  readonly keys: number;
  /** Of the keys and newest values, over all namespaces. */
  readonly bytes: number;
  /** Submitted and without an outcome. */
  readonly openCommands: number;
  /** That wait for a round, its index or a revision. */
  readonly openReads: number;
  /** Messages from peers that wait for the next turn. */
  readonly inboxMessages: number;
  /** Since the log was opened. */
  readonly log: { readonly syncs: number; readonly entriesSynced: number };
  /** What no crash takes from the state: the log may be cut up to here. */
  readonly checkpointIndex: number;
  readonly logFirstIndex: number;
  /** About what the entries in the log take. */
  readonly logBytes: number;
  /** An image of a peer's state that is being brought; null for none. */
  readonly receiving: Receiving | null;
  /** Images that were installed since the start. */
  readonly imagesInstalled: number;
  /** Images of this state that are being sent. */
  readonly imagesOpen: number;
  readonly isLowOnSpace: boolean;
  /** Whether writes are taken, as far as this member's view of its peers' disks goes. */
  readonly hasSpace: boolean;
}

export function statusOf(
  parts: ReplicaParts,
  { log, state }: { readonly log: LogStore; readonly state: StateStore },
): ReplicaStatus {
  const { raft, applier, proposals, readPoints, inbox, receiver, installer, images, space } = parts;
  const machine = applier.stateMachine;
  const { keys, bytes } = machine.totals;
  return {
    raft: raft.status(),
    appliedIndex: applier.applied.index,
    revision: applier.visible.revision,
    timeMs: machine.meta.timeMs,
    sessions: machine.sessionCount,
    leases: machine.leaseCount,
    keys,
    bytes,
    openCommands: proposals.size,
    openReads: readPoints.size,
    inboxMessages: inbox.length,
    log: log.counters,
    checkpointIndex: state.checkpointIndex,
    logFirstIndex: log.firstIndex(),
    logBytes: log.bytes,
    receiving: receiver.receiving,
    imagesInstalled: installer.installations,
    imagesOpen: images.count,
    isLowOnSpace: space.isLow,
    hasSpace: space.hasMajority,
  };
}
