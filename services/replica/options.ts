import type { ResidentState, StateMachine } from "#kv";
import type { LeaseTerms, MemberId, RaftConfig } from "#raft";
import type { Random } from "#std";
import type { HistoryLimits } from "./history-keeper";
import type { LogKeeping } from "./log-keeper";
import type { Clock, LogStore, Scheduler, SnapshotSource, StateStore, Transport } from "./ports";

/** How a replica keeps time, in ticks: whoever calls tick() decides how long one is. */
export interface ReplicaTiming {
  /** A follower that hears of no leader campaigns after a random time in [electionTicks, 2 * electionTicks - 1]. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
}

export interface ReplicaOptions {
  readonly id: MemberId;
  /** The random id of this member's data directory. */
  readonly storeId: string;
  readonly timing: ReplicaTiming;
  readonly log: LogStore;
  /** Its membership says who takes part. */
  readonly state: StateStore;
  /** Asked once for what `state` held when it was opened, and for each state that is installed later. */
  readonly machineOf: (resident: ResidentState) => StateMachine;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly bounds?: Partial<ReplicaBounds>;
  /** Whom a leader asks for reads; "quorum" by default. */
  readonly readsAsk?: RaftConfig["readsAsk"];
  /** Reads by the leader's lease, on these terms; by rounds of the quorum alone by default. */
  readonly lease?: LeaseTerms;
  /** Which history is kept; all of it by default. */
  readonly history?: HistoryLimits;
  /** How much of the log is kept. */
  readonly logKeeping?: LogKeeping;
  /** Where images of the state come from. Without it this member is never helped by a snapshot. */
  readonly snapshots?: SnapshotSource;
  /** Where this member is reached, to be recorded where the cluster has it otherwise; null to leave that as it is. */
  readonly addresses?: MemberAddresses | null;
}

/** host:port each. */
export interface MemberAddresses {
  readonly clientAddress: string;
  readonly peerAddress: string;
}

/** What a replica holds at most, and how it shares its time. */
export interface ReplicaBounds {
  /** Commands without an outcome. */
  readonly commandsMax: number;
  /** Bytes of commands that wait for the next turn. */
  readonly queuedBytesMax: number;
  /** Bytes of commands that are proposed together. */
  readonly proposalBytesMax: number;
  /** Bytes of entries that are uncommitted on a leader. */
  readonly uncommittedBytesMax: number;
  /** Bytes of entries in one append message. */
  readonly appendBytesMax: number;
  /** Append messages, and bytes in them, that are unanswered, a follower. */
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /** Bytes of entries that are handed out to be applied at a time. */
  readonly committedBytesPerReadyMax: number;
  /** Reads that wait for a round or its index, and as many that wait for a revision. */
  readonly readsWaitingMax: number;
  /** Messages from peers that wait for the next turn; more are dropped, which Raft makes good. */
  readonly inboxMessagesMax: number;
  /** How often a leader lets replicated time pass. */
  readonly timeIntervalMs: number;
  /** The same while there are leases, which end late by up to two such intervals. */
  readonly leaseTimeIntervalMs: number;
  /** Images of the state that are sent at a time. */
  readonly imagesMax: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_BOUNDS: ReplicaBounds = {
  commandsMax: 16_384,
  queuedBytesMax: 64 * MIB,
  proposalBytesMax: 4 * MIB,
  uncommittedBytesMax: 64 * MIB,
  appendBytesMax: 1 * MIB,
  inflightMessagesMax: 256,
  inflightBytesMax: 16 * MIB,
  committedBytesPerReadyMax: 8 * MIB,
  readsWaitingMax: 16_384,
  inboxMessagesMax: 16_384,
  timeIntervalMs: 1_000,
  leaseTimeIntervalMs: 250,
  imagesMax: 4,
};

/** The core's config: what was restored, and the bounds. */
export function raftConfigOf(options: ReplicaOptions, bounds: ReplicaBounds): RaftConfig {
  const { log, state, timing } = options;
  const applied = state.opened.applied;
  const { hardState } = log;
  return {
    id: options.id,
    configuration: state.opened.resident.membership.configuration,
    // What was applied was committed, and the hard state's commit index may lag (see Persister).
    hardState: { ...hardState, commit: Math.max(hardState.commit, applied.index) },
    appliedIndex: applied.index,
    log,
    electionTicks: timing.electionTicks,
    heartbeatTicks: timing.heartbeatTicks,
    preVote: true,
    checkQuorum: true,
    inflightMessagesMax: bounds.inflightMessagesMax,
    inflightBytesMax: bounds.inflightBytesMax,
    appendBytesMax: bounds.appendBytesMax,
    committedBytesPerReadyMax: bounds.committedBytesPerReadyMax,
    uncommittedBytesMax: bounds.uncommittedBytesMax,
    waitingReadsMax: bounds.readsWaitingMax,
    appliesOnlyDurable: true,
    tellsCommitAtOnce: false,
    readsAsk: options.readsAsk ?? "quorum",
    random: options.random.fork(),
    lease: options.lease === undefined ? null : { ...options.lease, clock: options.clock },
  };
}
