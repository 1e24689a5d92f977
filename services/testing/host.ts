import type { FailPoints } from "@quorate/services/faults";
import type { CallChannels, Log } from "@quorate/services/forward";
import type { MemoryLogDisk, MemoryStateDisk } from "@quorate/services/memory";
import type { Profile } from "@quorate/services/node";
import type { MemberId } from "@quorate/services/raft";
import type { HistoryLimits, LogKeeping, Replica, StoreFailure } from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";
import type { CallLinks } from "./call-links";
import type { ClusterTime } from "./cluster-time";
import type { PauseGate } from "./pause-gate";

/** What the nodes of one cluster share. */
export interface ClusterFrame {
  readonly clusterId: string;
  readonly time: ClusterTime;
  readonly random: Random;
  readonly profile: Profile;
  readonly history: HistoryLimits;
  readonly logKeeping: LogKeeping;
  readonly links: CallLinks;
  readonly log: Log;
  /** The member whose client services have this address, host:port. */
  memberAt(address: string): MemberId | null;
}

/** What a node in memory keeps over its crashes: for tests that spoil it. */
export interface MemoryDisks {
  readonly log: MemoryLogDisk;
  readonly state: MemoryStateDisk;
}

/** One node as its cluster holds it: it outlives its crashes. */
export interface Host {
  readonly id: MemberId;
  /** Where clients find its services, host:port; in memory before listen() a name that only this process knows. */
  readonly address: string;
  readonly gate: PauseGate;
  readonly failPoints: FailPoints;
  /** null while the node is down. */
  readonly replica: Replica | null;
  /** Why the node went down by itself, if it did. */
  readonly failure: StoreFailure | null;
  /** In memory only. */
  readonly disks: MemoryDisks | null;
  start(): Promise<void>;
  /** Joins the cluster of the others as a new member, which it has not been before, and starts. */
  join(as: "voter" | "learner"): Promise<void>;
  /** As a crash. Safe while it is down. */
  kill(): Promise<void>;
}

/** Calls that a node passes on meet the same cuts as its messages. */
export function linkedChannels(frame: ClusterFrame, from: MemberId, channels: CallChannels): CallChannels {
  return frame.links.over(channels, (address) => {
    const to = frame.memberAt(address);
    return to === null || to === from ? null : { from, to };
  });
}
