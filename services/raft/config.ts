import type { Random } from "#std";
import { type Configuration, configurationFault, hasNoMembers } from "./configuration";
import type { HardState, Index, MemberId } from "./entry";
import type { LeaseClock, LeaseTerms } from "./lease";
import type { LogReader } from "./log-reader";
import type { Tracer } from "./trace";

/** Everything a Raft needs to know at construction. Byte bounds may be Infinity. */
export interface RaftConfig {
  readonly id: MemberId;
  /** Without any member only where nothing is applied yet: such a member waits for what a leader sends it. */
  readonly configuration: Configuration;
  /** As last stored, or EMPTY_HARD_STATE. */
  readonly hardState: HardState;
  /** Up to here the state machine is restored; entries after it are handed out again. 0 means firstIndex - 1. */
  readonly appliedIndex: Index;
  readonly log: LogReader;
  /**
   * A follower campaigns after a random number of ticks in [electionTicks, 2 * electionTicks - 1] without a leader; sooner
   * where it decides alone, or has lost the connection to its leader.
   */
  readonly electionTicks: number;
  /** A leader sends heartbeats every so many ticks; less than electionTicks. */
  readonly heartbeatTicks: number;
  /** Ask whether an election could be won before raising the term (thesis 9.6). */
  readonly preVote: boolean;
  /** A leader that hears of no majority for electionTicks steps down; followers that hear of one refuse to vote. */
  readonly checkQuorum: boolean;
  /** How many append messages with entries may be unanswered, a follower. */
  readonly inflightMessagesMax: number;
  /** How many bytes of commands may be unanswered, a follower: a soft limit that the last message may pass. */
  readonly inflightBytesMax: number;
  /** How many bytes of entries an append message holds, but at least one entry; 0 means one entry a message. */
  readonly appendBytesMax: number;
  /** How many bytes of entries may be handed out to be applied and not be applied yet, but at least one entry. */
  readonly committedBytesPerReadyMax: number;
  /** How many bytes of commands a leader holds uncommitted before it refuses proposals. */
  readonly uncommittedBytesMax: number;
  /** How many reads may wait for the quorum at a time. */
  readonly waitingReadsMax: number;
  /**
   * Whom a leader asks whether it still leads, for reads. "all": every member, and each answer counts as that to any heartbeat
   * (etcd-io/raft). "quorum": as many as a quorum needs, those that answered first lately; the next heartbeat asks all, so a
   * read may wait for that where one of them has just died.
   */
  readonly readsAsk: "all" | "quorum";
  /**
   * Whether committedEntries hold only what is durable here, so that they may be applied while later entries are being
   * stored; else they may be of the very Ready, and wait for it (etcd-io/raft: AsyncStorageWrites).
   */
  readonly appliesOnlyDurable: boolean;
  /**
   * Whether a commit index that rose is told to all at once, in messages of its own, which are answered (etcd-io/raft). Else
   * it goes along with entries and heartbeats, and alone when the caller asks for that by tellCommit(); who hears of nothing
   * else does not answer. The same in all members of a group.
   */
  readonly tellsCommitAtOnce: boolean;
  readonly random: Random;
  /**
   * Reads by the leader's lease, where it has one; by a round of the quorum where it has none. null: by a round always. Not the
   * same in all members need be, nor the terms: a member without pledges nothing, and one with asks for its own.
   */
  readonly lease: (LeaseTerms & { readonly clock: LeaseClock }) | null;
  /** For validating runs against a model; see trace.ts. */
  readonly tracer?: Tracer;
}

/** Which setting is wrong, and what would be right. */
export interface RaftConfigFault {
  readonly field: keyof RaftConfig;
  readonly problem: string;
}

/** The first fault of a config, or null when it can be used. */
export function raftConfigFault(config: RaftConfig): RaftConfigFault | null {
  const fault = (field: keyof RaftConfig, problem: string): RaftConfigFault => ({ field, problem });

  if (config.id.length === 0) return fault("id", "must not be empty");
  const wrong = isBlank(config) ? null : configurationFault(config.configuration);
  if (wrong !== null) return fault("configuration", wrong);
  if (!isWhole(config.heartbeatTicks, 1))
    return fault("heartbeatTicks", "must be a whole number of at least 1");
  if (!isWhole(config.electionTicks, 1))
    return fault("electionTicks", "must be a whole number of at least 1");
  if (config.electionTicks <= config.heartbeatTicks) {
    return fault("electionTicks", "must be greater than heartbeatTicks");
  }
  if (!isWhole(config.inflightMessagesMax, 1)) {
    return fault("inflightMessagesMax", "must be a whole number of at least 1");
  }
  if (!isBound(config.appendBytesMax, 0)) return fault("appendBytesMax", "must be at least 0");
  if (!isBound(config.inflightBytesMax, 1)) return fault("inflightBytesMax", "must be at least 1");
  if (config.inflightBytesMax < config.appendBytesMax) {
    return fault("inflightBytesMax", "must not be less than appendBytesMax");
  }
  if (!isBound(config.committedBytesPerReadyMax, 1)) {
    return fault("committedBytesPerReadyMax", "must be at least 1");
  }
  if (!isBound(config.uncommittedBytesMax, 1)) return fault("uncommittedBytesMax", "must be at least 1");
  if (!isWhole(config.waitingReadsMax, 1))
    return fault("waitingReadsMax", "must be a whole number of at least 1");
  const leaseProblem = config.lease === null ? null : leaseFault(config.lease, config.checkQuorum);
  if (leaseProblem !== null) return fault("lease", leaseProblem);
  return stateFault(config);
}

function leaseFault({ pledgeMs, leaseMs, pledgedMs }: LeaseTerms, checkQuorum: boolean): string | null {
  // Else a leader that was cut off would go on for ever, and its reads wait for nothing.
  if (!checkQuorum) return "needs checkQuorum";
  if (!isWhole(pledgeMs, 1)) return "its pledgeMs must be a whole number of at least 1";
  if (!(leaseMs > 0 && leaseMs <= pledgeMs)) return "its leaseMs must be above 0 and at most pledgeMs";
  return isWhole(pledgedMs, 0) ? null : "its pledgedMs must be a whole number of at least 0";
}

function isBlank({ appliedIndex, configuration, log }: RaftConfig): boolean {
  return hasNoMembers(configuration) && log.firstIndex() === 1 && appliedIndex === 0;
}

/** Whether the state that was restored fits together: what is wrong here was damaged or mixed up on disk. */
function stateFault(config: RaftConfig): RaftConfigFault | null {
  const snapshotIndex = config.log.firstIndex() - 1;
  const lastIndex = config.log.lastIndex();
  const { hardState, appliedIndex } = config;
  if (!isWhole(hardState.term, 0) || !isWhole(hardState.commit, 0)) {
    return { field: "hardState", problem: "its term and commit must be whole numbers of at least 0" };
  }
  if (hardState.commit > lastIndex) {
    return {
      field: "hardState",
      problem: `its commit ${hardState.commit} is beyond the end of the log, ${lastIndex}`,
    };
  }
  if (appliedIndex !== 0 && (!isWhole(appliedIndex, snapshotIndex) || appliedIndex > lastIndex)) {
    return {
      field: "appliedIndex",
      problem: `must be in [${snapshotIndex}, ${lastIndex}], the extent of the log`,
    };
  }
  return null;
}

function isWhole(value: number, min: number): boolean {
  return Number.isSafeInteger(value) && value >= min;
}

function isBound(value: number, min: number): boolean {
  return value === Number.POSITIVE_INFINITY || isWhole(value, min);
}
