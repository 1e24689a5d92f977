import { FAULT_KINDS, type FaultKind } from "./fault";
import type { PlotName } from "./plots";

/** What a run may be attacked with. */
export interface Profile {
  /** What it is for, in a line of the usage. */
  readonly summary: string;
  /** Each is as likely as the others. */
  readonly kinds: readonly FaultKind[];
  /** Whether the clients misbehave, too. */
  readonly hasRoughClients: boolean;
  /** First draws, for each seed, a subset of the kinds and how hard each is. */
  readonly isSwarm: boolean;
  /** How many faults come in one storm, at most. */
  readonly stormFaultsMax: number;
  /** One of these comes in each storm beside its faults. */
  readonly plots?: readonly PlotName[];
  /** Whether replicas read by their leader's lease, on clocks as different as that allows. */
  readonly readsByLease?: boolean;
  /** Whether a replica's turn comes right behind what calls for it where it can, as in a process of its own. */
  readonly hasPromptTurns?: boolean;
}

export const profiles = {
  calm: {
    summary: "no fault at all",
    kinds: [],
    hasRoughClients: false,
    isSwarm: false,
    stormFaultsMax: 0,
  },
  network: {
    summary: "messages are lost, doubled, late, out of order; streams break",
    kinds: [
      "loss",
      "duplication",
      "reordering",
      "exponential_delay",
      "clog",
      "swizzle",
      "stream_reset",
      "half_open",
      "stuck_connect",
      "image_break",
      "image_stall",
      "image_damage",
      "leadership_transfer",
    ],
    hasRoughClients: false,
    isSwarm: false,
    stormFaultsMax: 8,
  },
  partitions: {
    summary: "members cannot reach each other, in every shape",
    kinds: [
      "one_way_partition",
      "isolation",
      "majority_split",
      "ring",
      "bridge",
      "swizzle",
      "leadership_transfer",
      "forced_campaign",
    ],
    hasRoughClients: false,
    isSwarm: false,
    stormFaultsMax: 6,
  },
  crashes: {
    summary: "processes die at any moment, or stand still",
    kinds: [
      "crash",
      "crash_at",
      "crash_loop",
      "crash_all",
      "pause",
      "stalls",
      "unsynced_loss",
      "leadership_transfer",
      "forced_campaign",
    ],
    hasRoughClients: false,
    isSwarm: false,
    stormFaultsMax: 7,
  },
  disks: {
    summary: "disks are slow, full, fail; what is stored is damaged on a minority",
    kinds: [
      "slow_disk",
      "failed_fsync",
      "write_error",
      "low_space",
      "disk_full",
      "torn_write",
      "unsynced_loss",
      "log_bit_flip",
      "state_bit_flip",
      "wiped_directory",
      "state_roll_back",
      "record_damage",
      "member_recover",
      "crash_at",
    ],
    hasRoughClients: false,
    isSwarm: false,
    stormFaultsMax: 7,
  },
  clocks: {
    summary: "clocks are wrong, drift, jump and freeze",
    kinds: [
      "clock_skew",
      "clock_drift",
      "clock_jump",
      "frozen_clock",
      "stalls",
      "exponential_delay",
      "leadership_transfer",
    ],
    hasRoughClients: false,
    isSwarm: false,
    stormFaultsMax: 6,
  },
  clients: {
    summary: "callers give up, repeat themselves, go elsewhere, fall silent",
    kinds: ["isolation", "crash", "leadership_transfer", "loss"],
    hasRoughClients: true,
    isSwarm: false,
    stormFaultsMax: 3,
  },
  membership: {
    summary: "members come and go while others crash or cannot be reached; snapshots break off",
    kinds: [
      "member_add",
      "member_promote",
      "member_remove",
      "member_replace",
      "member_recover",
      "member_changes",
      "member_priority",
      "member_move",
      "snapshot",
      "image_break",
      "image_stall",
      "leadership_transfer",
      "isolation",
      "majority_split",
      "crash",
      "crash_at",
      "crash_loop",
      "pause",
      "wiped_directory",
      "log_bit_flip",
      "record_damage",
    ],
    hasRoughClients: false,
    isSwarm: false,
    stormFaultsMax: 8,
  },
  swarm: {
    summary: "each seed has faults of its own choice, among all",
    kinds: FAULT_KINDS,
    hasRoughClients: true,
    isSwarm: true,
    stormFaultsMax: 10,
  },
  churn: {
    summary: "members come and go all the time, and leaders fall meanwhile",
    kinds: [
      "member_add",
      "member_promote",
      "member_remove",
      "member_replace",
      "member_changes",
      "leadership_transfer",
      "isolation",
      "crash",
      "pause",
    ],
    hasRoughClients: false,
    isSwarm: false,
    stormFaultsMax: 16,
  },
  laggards: {
    summary: "members fall behind and are brought on by snapshots, which break off",
    kinds: [
      "isolation",
      "pause",
      "crash_at",
      "snapshot",
      "image_break",
      "image_stall",
      "leadership_transfer",
    ],
    hasRoughClients: false,
    isSwarm: false,
    stormFaultsMax: 12,
  },
  damage: {
    summary: "records are damaged again and again, on members that fall behind, too",
    kinds: ["record_damage", "slow_disk", "isolation", "crash", "leadership_transfer"],
    hasRoughClients: false,
    isSwarm: false,
    stormFaultsMax: 8,
  },
  losses: {
    summary: "members lose what they have stored, for good, and are to lead all the same",
    kinds: ["log_bit_flip", "wiped_directory", "isolation", "leadership_transfer"],
    hasRoughClients: false,
    isSwarm: false,
    stormFaultsMax: 6,
  },
  lease_reads: {
    summary: "leaders read by their lease; leadership goes to and fro, messages and processes are late",
    kinds: [
      "leadership_transfer",
      "exponential_delay",
      "reordering",
      "isolation",
      "one_way_partition",
      "majority_split",
      "bridge",
      "stream_reset",
      "pause",
      "stalls",
      "crash",
      "crash_loop",
      "clock_jump",
      "member_changes",
    ],
    hasRoughClients: false,
    isSwarm: false,
    stormFaultsMax: 3,
    plots: ["leaders_fall", "bridge_breaks", "bridge_restarts", "late_successors"],
    readsByLease: true,
  },
  prompt_turns: {
    summary: "turns come right behind what calls for them, as in a process; leaders and disks fail meanwhile",
    kinds: [
      "loss",
      "duplication",
      "reordering",
      "exponential_delay",
      "stream_reset",
      "isolation",
      "majority_split",
      "crash",
      "crash_at",
      "crash_all",
      "pause",
      "stalls",
      "slow_disk",
      "failed_fsync",
      "write_error",
      "unsynced_loss",
      "leadership_transfer",
      "forced_campaign",
      "member_changes",
      "snapshot",
    ],
    hasRoughClients: true,
    isSwarm: true,
    stormFaultsMax: 8,
    hasPromptTurns: true,
  },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof profiles;

export const PROFILE_NAMES = Object.keys(profiles) as readonly ProfileName[];

export function isProfileName(name: string): name is ProfileName {
  return Object.hasOwn(profiles, name);
}

/** What to tell someone who asked for another. */
export function profileUsage(name: string): string {
  const lines = PROFILE_NAMES.map((known) => `  ${known.padEnd(11)} ${profiles[known].summary}`);
  return [`there is no profile "${name}"; there are:`, ...lines].join("\n");
}
