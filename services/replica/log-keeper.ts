import type { Index } from "#raft";

/** How much of the log is kept. It is cut when it passes either bound. */
export interface LogKeeping {
  readonly entriesMax: number;
  readonly bytesMax: number;
  /** Entries that a cut leaves, so that a follower that fell behind a little needs no snapshot. */
  readonly entriesKept: number;
}

export const DEFAULT_LOG_KEEPING: LogKeeping = {
  entriesMax: 100_000,
  bytesMax: 64 * 1024 * 1024,
  entriesKept: 10_000,
};

/** What of the log is there, and what is still needed of it. */
export interface LogExtent {
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly bytes: number;
  /** What no crash takes from the state. */
  readonly checkpointIndex: Index;
  /** What the core has heard to be applied: right after a state was installed it is behind the checkpoint. */
  readonly appliedIndex: Index;
  /** The oldest state that is being sent to a peer, which will need what follows; null for none. */
  readonly pinnedIndex: Index | null;
  /** What the last of the members holds that go on from this log; null for none, as on a follower. */
  readonly followedIndex: Index | null;
}

/**
 * How many times its bounds the log may grow for members that go on from it, or receive the state that it follows: else a
 * snapshot would follow a snapshot. Beyond that one does: no member may fill the disks of the others.
 */
const PATIENCE = 8;

/** Whether the log is longer than its bounds. */
export function isLong(
  keeping: LogKeeping,
  { firstIndex, lastIndex, bytes }: Pick<LogExtent, "firstIndex" | "lastIndex" | "bytes">,
): boolean {
  return lastIndex - firstIndex + 1 > keeping.entriesMax || bytes > keeping.bytesMax;
}

/** Up to which index the log is to be cut now, or null. */
export function cutDue(keeping: LogKeeping, log: LogExtent): Index | null {
  if (!isLong(keeping, log)) return null;
  const entries = log.lastIndex - log.firstIndex + 1;
  // Of large entries half of what may be there is left, as far as their mean tells.
  const byBytes = Math.floor((entries * keeping.bytesMax) / 2 / Math.max(1, log.bytes));
  const kept = Math.min(keeping.entriesKept, log.bytes > keeping.bytesMax ? byBytes : keeping.entriesKept);
  const isTooLong = entries > PATIENCE * keeping.entriesMax || log.bytes > PATIENCE * keeping.bytesMax;
  const needed = isTooLong ? { pinnedIndex: null, followedIndex: null } : {};
  return cutWithin({ ...log, ...needed }, log.lastIndex - kept);
}

/** As much of a wanted cut as the state, images on their way and followers allow; null where that is nothing. */
export function cutWithin(log: LogExtent, wanted: Index): Index | null {
  const { checkpointIndex, appliedIndex, pinnedIndex, followedIndex } = log;
  const needed = Math.min(pinnedIndex ?? Number.POSITIVE_INFINITY, followedIndex ?? Number.POSITIVE_INFINITY);
  const index = Math.min(wanted, checkpointIndex, appliedIndex, needed);
  return index >= log.firstIndex ? index : null;
}
