import type { NetworkPort } from "@quorate/services/faults";
import type { MemoryLogDisk, MemoryStateDisk } from "@quorate/services/memory";
import type { MemberId, Message } from "@quorate/services/raft";
import type { HistoryLimits, LogBatch, Replica, ReplicaBounds, StateBatch } from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";
import type { WatchHub } from "@quorate/services/watch";

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
  /** down: restarts when asked. refused: its store does not open or nobody talks to it; it stays so to the end. */
  readonly condition: "up" | "paused" | "down" | "refused";
  /** How many times it was started. */
  readonly starts: number;
  /** Knobs that faults turn. */
  readonly clock: SeatClock;
  readonly disk: SeatDisk;
}

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
  /** n1, n2, … in order. */
  readonly seats: readonly Seat[];
  readonly configuration: {
    readonly electionTicks: number;
    readonly heartbeatTicks: number;
    readonly tickUs: number;
  };
  /** What replicas hold at most: as in production, or so little that they meet their bounds. */
  readonly bounds: ReplicaBounds;
  /** Which history replicas keep. */
  readonly history: HistoryLimits;
  /** For whoever needs chance: an independent generator for each name, whatever the others draw. */
  random(name: string): Random;
  seat(id: MemberId): Seat;
  /**
   * Runs in the process of the seat, now or when it is resumed. Not at all when it is down, or ends before. What others
   * ask of a replica goes through here.
   */
  call(id: MemberId, run: (replica: Replica) => void): void;

  start(id: MemberId): void;
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
  /** A down seat's state is replaced by an old copy of it; the log is replayed from there. */
  rollBackState(id: MemberId): void;

  /** A line of the trace. */
  note(line: string): void;
  observe(observer: Observer): void;
}

/** Called synchronously at the moment it happens, amid the code under test. May throw a Violation, which ends the run
 * after the present event, and may crash the seat. */
export interface Observer {
  /** Before the first event of a replica's life, its stores are open. */
  started?(seat: Seat): void;
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
  stateWriting?(seat: Seat, batch: StateBatch): void;
  /** The batch is in the state, and its writer does not know yet. */
  stateWritten?(seat: Seat, batch: StateBatch): void;
  /** After each event that may have changed the seat's replica, promises included. */
  stepped?(seat: Seat): void;
  /** After the last event of the liveness phase. */
  ended?(): void;
}
