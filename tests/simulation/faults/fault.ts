import type { Direction } from "@quorate/services/faults";
import type { MemberId } from "@quorate/services/raft";

/*
 * Everything that a run can be attacked with, as data: what a schedule holds, a failure report prints and the shrinker
 * cuts down. All times are simulated, in microseconds from the start of the run.
 */

/** Whoever leads when the fault comes; a random member where nobody does. Members are named n1, n2, …: the word is free. */
export const LEADER = "leader";

/** A member, or LEADER. */
export type Target = MemberId;

/** Which of the two stores of a member. */
export type DiskName = "log" | "state";

/** Where exactly a process ends: around each durable step, and around each message. */
export type CrashPoint =
  /** The entries and the vote are not there. */
  | "before_log_append"
  /** The write is under way: it is there whole or not at all, as the disk likes. */
  | "during_log_append"
  /** They are there, and nobody knows yet. */
  | "after_log_append"
  | "before_state_write"
  | "during_state_write"
  | "after_state_write"
  /** The message does not leave. */
  | "before_send"
  /** The message is on its way. */
  | "after_send"
  /** Of a snapshot that comes: a chunk is not put to the others yet, all are there, the state is not in its place yet. */
  | "before_image_put"
  | "before_image_complete"
  | "before_install"
  /** The old state is in place, or the new one. */
  | "during_install"
  /** The state is in place, and the log does not go on from it yet. */
  | "after_install";

type At<Kind extends string, Parameters> = {
  readonly kind: Kind;
  readonly atUs: number;
} & Readonly<Parameters>;

type During<Kind extends string, Parameters> = {
  readonly kind: Kind;
  readonly atUs: number;
  readonly untilUs: number;
} & Readonly<Parameters>;

export type NetworkFault =
  /** In one direction, or null for all of them; the same below. */
  | During<"loss", { probability: number; direction: Direction | null }>
  | During<"duplication", { probability: number; copies: number; direction: Direction | null }>
  /** Some messages are held back a random time, so that later ones overtake them. */
  | During<"reordering", { probability: number; backMsMax: number; direction: Direction | null }>
  | During<"exponential_delay", { meanMs: number; direction: Direction | null }>
  /** What is sent in that direction waits for the end of the fault. */
  | During<"clog", { direction: Direction }>
  | During<"one_way_partition", { from: readonly MemberId[]; to: readonly MemberId[] }>
  | During<"isolation", { target: Target }>
  /** Those named on one side, the others on the other. */
  | During<"majority_split", { minority: readonly MemberId[] }>
  /** Each hears only of its neighbours; one way: only of the one before it. So each may see another majority, or none. */
  | During<"ring", { order: readonly MemberId[]; isOneWay: boolean }>
  /** Two sides that know of each other only through one member. */
  | During<"bridge", { bridge: MemberId; left: readonly MemberId[] }>
  /** Members are clogged one by one, and freed in another order. */
  | During<
      "swizzle",
      { clogs: readonly { readonly member: MemberId; readonly atUs: number; readonly untilUs: number }[] }
    >
  /** What is on its way is lost, and the sender hears of it. */
  | At<"stream_reset", { direction: Direction }>
  /** What is sent is lost, and the sender hears nothing. */
  | During<"half_open", { direction: Direction }>
  /** The stream breaks, and a new one cannot be opened. */
  | During<"stuck_connect", { direction: Direction }>
  /** Streams of images break, at each chunk with that probability. */
  | During<"image_break", { probability: number }>
  /** They stand still from their so manieth chunk on. */
  | During<"image_stall", { chunk: number }>
  /** A bit flips in a chunk. */
  | During<"image_damage", { probability: number }>;

export type ProcessFault =
  | At<"crash", { target: Target; downUs: number }>
  /** Waits for the moment; gives up at untilUs. `skip`: so many such moments pass first. */
  | During<"crash_at", { target: Target; point: CrashPoint; skip: number; downUs: number }>
  | During<"crash_loop", { target: Target; upUs: number; downUs: number }>
  /** They come back one after another. */
  | At<"crash_all", { downUs: number; apartUs: number }>
  /** Longer than the election timeout. */
  | During<"pause", { target: Target }>
  /** Short pauses, again and again. */
  | During<"stalls", { target: Target; stallUs: number; everyUs: number }>;

export type DiskFault =
  | During<"slow_disk", { target: Target; writeMeanUs: number }>
  /** The data are there, but the process may not rely on it and ends. The world starts it again, as a supervisor does. */
  | At<"failed_fsync", { target: Target; disk: DiskName }>
  /** The write is not there (EIO). */
  | At<"write_error", { target: Target; disk: DiskName }>
  /** Its disk is nearly full, so that it tells its leader; then there is space again. */
  | During<"low_space", { members: readonly MemberId[] }>
  /** No write succeeds before space returns (ENOSPC); the process is started again and again. */
  | During<"disk_full", { target: Target; disk: DiskName }>
  /** Crashes amid a write, which then is there whole or not at all. */
  | During<"torn_write", { target: Target; disk: DiskName; skip: number; downUs: number }>
  /** Crashes when so many batches of the state were written since the fault came. */
  | During<"unsynced_loss", { target: Target; batches: number; downUs: number }>
  /** The four that damage what is stored: never on more than a minority of a run's members. */
  | At<"log_bit_flip", { member: MemberId; downUs: number }>
  | At<"state_bit_flip", { member: MemberId; downUs: number }>
  | At<"wiped_directory", { member: MemberId; downUs: number }>
  | At<"state_roll_back", { member: MemberId; downUs: number }>
  /** One more that does so, while the process runs: records are stored otherwise than they were written. */
  | At<"record_damage", { member: MemberId; records: number }>;

export type ClockFault =
  /** The wall clock is off. */
  | During<"clock_skew", { member: MemberId; offsetMs: number }>
  /** Both clocks run too fast or too slow. */
  | During<"clock_drift", { member: MemberId; rate: number }>
  /** The wall clock jumps and stays there; negative is back. */
  | At<"clock_jump", { member: MemberId; byMs: number }>
  | During<"frozen_clock", { target: Target }>;

export type OperationFault =
  | At<"leadership_transfer", { to: MemberId }>
  /** A follower campaigns at once, as if its leader had bid it. */
  | At<"forced_campaign", { member: MemberId }>
  /** Its process starts so long after that was asked for. */
  | At<"member_add", { member: MemberId; promotes: boolean; joinsInUs: number }>
  | At<"member_promote", { member: MemberId }>
  | At<"member_remove", { target: Target }>
  | At<"member_replace", { member: MemberId; target: Target; joinsInUs: number }>
  /** One whose directory was lost or damaged is removed and added again with an empty one. */
  | At<"member_recover", { member: MemberId }>
  /** Several changes at once. */
  | At<"member_changes", { changes: readonly MemberChangeStep[] }>
  | At<"member_priority", { target: Target; priority: number }>
  /** Its process comes back at other addresses. */
  | At<"member_move", { target: Target }>
  | At<"snapshot", { target: Target }>;

export interface MemberChangeStep {
  readonly kind: "voter" | "learner" | "remove";
  readonly memberId: MemberId;
}

export type Fault = NetworkFault | ProcessFault | DiskFault | ClockFault | OperationFault;

export type FaultKind = Fault["kind"];

export type FaultOf<Kind extends FaultKind> = Extract<Fault, { readonly kind: Kind }>;

/** Which fault of the project's list each kind is the knob of. Client faults are ClientFaults, beside the schedule. */
export const faultTable = {
  loss: "network: loss",
  duplication: "network: duplication",
  reordering: "network: reordering",
  exponential_delay: "network: exponential delay",
  clog: "network: per-link clog",
  one_way_partition: "network: one-way partition",
  isolation: "network: isolate one",
  majority_split: "network: majority split",
  ring: "network: ring",
  bridge: "network: bridge node",
  swizzle: "network: swizzle",
  stream_reset: "network: stream reset midway",
  half_open: "network: half-open connection",
  stuck_connect: "network: a connect that never completes",
  image_break: "network: stream of a snapshot reset midway",
  image_stall: "network: stream of a snapshot that stands still",
  image_damage: "network: bit flip in a snapshot",
  crash: "process: crash",
  crash_at: "process: crash at a fail point",
  crash_loop: "process: crash loop",
  crash_all: "process: crash of all",
  pause: "process: pause longer than the election timeout",
  stalls: "process: stalls of 50-500 ms",
  slow_disk: "disk: slow write",
  failed_fsync: "disk: failed fsync",
  write_error: "disk: EIO",
  low_space: "disk: nearly full",
  disk_full: "disk: ENOSPC",
  torn_write: "disk: torn write",
  unsynced_loss: "disk: loss of what was not synced",
  log_bit_flip: "disk: bit flip in the log",
  state_bit_flip: "disk: bit flip in the state",
  wiped_directory: "disk: wiped directory",
  state_roll_back: "disk: roll-back to an old copy",
  record_damage: "disk: bit flip in a record",
  clock_skew: "clock: per-node skew",
  clock_drift: "clock: per-node drift",
  clock_jump: "clock: jumps both ways",
  frozen_clock: "clock: frozen",
  leadership_transfer: "operations: transfer",
  forced_campaign: "operations: forced campaign",
  member_add: "operations: add",
  member_promote: "operations: promote",
  member_remove: "operations: remove",
  member_replace: "operations: replace",
  member_recover: "operations: remove and add again",
  member_changes: "operations: several changes of the membership at once",
  member_priority: "operations: priority of a member",
  member_move: "operations: a member at other addresses",
  snapshot: "operations: snapshot",
} as const satisfies Record<FaultKind, string>;

export const FAULT_KINDS = Object.keys(faultTable) as readonly FaultKind[];

/** When the fault is over: an instant is at once. */
export function endOf(fault: Fault): number {
  return "untilUs" in fault ? fault.untilUs : fault.atUs;
}

/** The member whose stored data the fault damages; null for one that every member survives. */
export function damagedMember(fault: Fault): MemberId | null {
  switch (fault.kind) {
    case "log_bit_flip":
    case "state_bit_flip":
    case "wiped_directory":
    case "state_roll_back":
    case "record_damage":
      return fault.member;
    default:
      return null;
  }
}
