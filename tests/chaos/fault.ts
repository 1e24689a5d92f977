import type { Random } from "@quorate/services/std";
import type { Arena } from "./arena";

/** What `--faults` names: each stands for several faults. */
export const FAULT_GROUPS = [
  "kill",
  "pause",
  "partition",
  "delay",
  "lossy",
  "half-open",
  "no-connect",
  "disk-full",
  "damage",
  "rolling",
  "transfer",
  "members",
  "snapshot",
  "divergence",
  "space",
  "backup",
] as const;
export type FaultGroup = (typeof FAULT_GROUPS)[number];

/** One way to hurt a cluster that it must survive, and recover from by itself. */
export interface Fault {
  readonly group: FaultGroup;
  /** Strikes; resolves when the fault is in force. */
  begin(arena: Arena, random: Random): Promise<Underway>;
}

/** A fault in force. */
export interface Underway {
  /** What was struck, such as "n2, the leader". */
  readonly on: string;
  /** Takes the fault away and starts what it ended; waits for nothing more. */
  heal(): Promise<void>;
}

/** The cluster did not do what the fault calls for, such as refusing a damaged disk. */
export class FaultMissed extends Error {
  override readonly name = "FaultMissed";
}
