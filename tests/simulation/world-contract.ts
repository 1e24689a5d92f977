import type { ImageFilter, NetworkPort } from "@quorate/services/faults";
import type { MembershipState } from "@quorate/services/kv";
import type { MemoryLogDisk, MemoryStateDisk } from "@quorate/services/memory";
import type { EntryId, Index, MemberId, Message } from "@quorate/services/raft";
import type {
  HistoryLimits,
  LogBatch,
  LogKeeping,
  Replica,
  ReplicaBounds,
  StateBatch,
} from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";
import type { HashedRound, RepairOutcome, Verifier } from "@quorate/services/verification";
import type { WatchHub } from "@quorate/services/watch";
import type { DamagedRecord } from "./world/record-damage";

/** Whose records are written once and never again: what a fault does to one of them, no command carries on. */
export const ARCHIVE_NAMESPACE = "archive";

/** Simulated time: what is due runs in the order of its time, then in the order asked for. */
export interface Timeline {
  readonly nowUs: number;
  at(timeUs: number, run: () => void): void;
  after(delayUs: number, run: () => void): void;
}

/** One member: its disks and clock outlive its replica. */
export interface Seat {
  readonly id: MemberId;
  /** Replaced when the directory is wiped. */
  readonly storeId: string;
  readonly logDisk: MemoryLogDisk;
  readonly stateDisk: MemoryStateDisk;
  /** null while the process is down. */
  readonly replica: Replica | null;
  /** The watches of its replica; null with it. */
  readonly hub: WatchHub | null;
  readonly condition: SeatCondition;
  /** Compares its state with that of others; null with the replica. */
  readonly verifier: Verifier | null;
  /** Records that are stored otherwise than they were written, still. */
  readonly damagedRecords: readonly DamagedRecord[];
  /** It runs on a directory that somebody made for it by mistake: nothing of it counts. */
  readonly isStrange: boolean;
  /** Chunks of an image that came, and that its disk has not begun to take. */
  readonly chunksWaiting: number;
  /** How many times it was started. */
  readonly starts: number;
  /** Knobs that faults turn. */
  readonly clock: SeatClock;
  readonly disk: SeatDisk;
}

/**
 * down: restarts when asked. bringing: its process has no state yet, and asks its peers for one. vacant: nobody has made
 * a directory for it. removed: it has heard that the cluster did without it. refused: its store does not open or nobody
 * talks to it. The last three stay so until it joins anew.
 */
export type SeatCondition = "up" | "paused" | "down" | "bringing" | "vacant" | "removed" | "refused";

export interface SeatClock {
  /** How fast it runs: 1 is true time, 1.1 a tenth too fast, 0 frozen. Its ticks come at that rate too. */
  rate: number;
  /** Of the wall clock, which may jump; the monotonic one never goes back. */
  wallOffsetMs: number;
  /** The monotonic clock as the seat's replica reads it now. */
  monotonicMs(): number;
}

export interface SeatDisk {
  /** A synced write takes a random time about this long, one that is not synced a tenth of it. */
  writeMeanUs: number;
  /** The next write of that disk fails and so ends the process: "lost" (ENOSPC, EIO) or "kept" (a failed fsync). */
  failNextWrite(disk: "log" | "state", outcome: "lost" | "kept"): void;
}

/**
 * The process and disk faults of one run, and who wants to see what happens. What does not fit the seat's condition
 * (to crash one that is down, to wipe one that is up) changes nothing, so that a schedule can lose any of its parts.
 */
export interface World {
  readonly seed: number;
  readonly timeline: Timeline;
  readonly network: NetworkPort;
  /** n1, n2, … in order: those that the cluster begins with, and some that may join. */
  readonly seats: readonly Seat[];
  /** What the cluster begins with. */
  readonly founding: MembershipState;
  readonly configuration: {
    readonly electionTicks: number;
    readonly heartbeatTicks: number;
    readonly tickUs: number;
  };
  /** What replicas hold at most: as in production, or so little that they meet their bounds. */
  readonly bounds: ReplicaBounds;
  /** Which history replicas keep. */
  readonly history: HistoryLimits;
  /** How much of their logs replicas keep. */
  readonly logKeeping: LogKeeping;
  /** Whether replicas read by their leader's lease. */
  readonly readsByLease: boolean;
  /** Whether members that compare themselves read all that they have in each round. */
  readonly comparesAll: boolean;
  /** For whoever needs chance: an independent generator for each name, whatever the others draw. */
  random(name: string): Random;
  seat(id: MemberId): Seat;
  /**
   * Runs in the process of the seat, now or when it is resumed. Not at all when it is down, or ends before. What others
   * ask of a replica goes through here.
   */
  call(id: MemberId, run: (replica: Replica) => void): void;

  /** As the seat knows it that has applied the most changes. */
  readonly membership: MembershipState;
  /** Between images of the state and those who bring them. Returns how to take it away again. */
  addImageFilter(filter: ImageFilter): () => void;

  start(id: MemberId): void;
  /**
   * Gives the seat an empty directory of its own, whatever it was before, and a process that brings the state of a peer
   * and starts with it.
   */
  join(id: MemberId): void;
  /** Its process comes back some time later, and is reached at other addresses. */
  move(id: MemberId): void;
  /** SIGKILL and the power: what was not synced is lost, a write under way is there whole or not at all. */
  crash(id: MemberId): void;
  /** The process stands still; what is sent to it waits, and what it waits for waits. */
  pause(id: MemberId): void;
  resume(id: MemberId): void;
  /**
   * A down seat's directory is empty from now on and has a new store id. When it starts, its peers refuse it; unless they
   * do not all know its old store durably: then no operator may bootstrap it, and it does not start.
   */
  wipe(id: MemberId): void;
  /** A bit flips in what a down seat has stored of its log: found at the next start, which then refuses. */
  corruptLog(id: MemberId): void;
  /** A down seat's state gets a hole: found at the next start, and the state is rebuilt from the log. */
  corruptState(id: MemberId): void;
  /** A down seat's state is replaced by an old copy of it; the log is replayed from there, or a peer's state brought. */
  rollBackState(id: MemberId): void;
  /** A record on its disk changes, goes or comes, and nobody is told. Not while it leads. */
  damageRecord(id: MemberId): void;
  /** Whether the seat's disk is nearly full. */
  setLowOnSpace(id: MemberId, isLow: boolean): void;

  /** A line of the trace. */
  note(line: string): void;
  observe(observer: Observer): void;
}

/** Called synchronously at the moment it happens, amid the code under test. May throw a Violation, which ends the run
 * after the present event, and may crash the seat. */
export interface Observer {
  /** Before the first event of a replica's life, its stores are open. */
  started?(seat: Seat): void;
  /** Its directory is a new and empty one that speaks for the member. */
  joined?(seat: Seat): void;
  /** Its process has ended, whatever the cause; the disks are as the next start will find them. */
  crashed?(seat: Seat): void;
  /** This member now knows of another leader, or of none. */
  leaderChanged?(seat: Seat, leaderId: MemberId | null, term: number): void;
  /** Handed to the network, before any filter. */
  sent?(message: Message): void;
  delivered?(message: Message): void;
  /** The batch is about to be written; nothing of it is there. */
  appending?(seat: Seat, batch: LogBatch): void;
  /** The batch is on the log disk, synced, and its writer does not know yet. */
  appended?(seat: Seat, batch: LogBatch): void;
  /** The log on disk goes on after `entry`. */
  logReset?(seat: Seat, entry: EntryId): void;
  /** The log on disk begins after `index`. */
  logCut?(seat: Seat, index: Index): void;
  /** A step of a snapshot is about to be made on the state's disk: nothing of it is there. */
  receiving?(seat: Seat, step: "put" | "complete" | "install"): void;
  /** The state of a peer is on the disk, in the place of one that had applied `before`. */
  installed?(seat: Seat, before: Index): void;
  /** Records on the disk were put right. */
  repaired?(seat: Seat): void;
  stateWriting?(seat: Seat, batch: StateBatch): void;
  /** The batch is in the state, and its writer does not know yet. */
  stateWritten?(seat: Seat, batch: StateBatch): void;
  /** It has hashed a round. */
  hashed?(seat: Seat, round: HashedRound): void;
  /** It has found that it differs from the others, and done something about it. */
  healed?(seat: Seat, outcome: RepairOutcome): void;
  /** After each event that may have changed the seat's replica, promises included. */
  stepped?(seat: Seat): void;
  /** After the last event of the liveness phase. */
  ended?(): void;
}
