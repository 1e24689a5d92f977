import type { Entry } from "#raft";

/** So many entries wait at most until more of them are applied together, and so many bytes. */
export const PATIENT_ENTRIES_MAX = 16;
export const PATIENT_BYTES_MAX = 64 * 1024;

/**
 * Says how long committed entries may wait for others to be applied with. To apply one costs a follower as much as to store
 * it, and most of that is the cost of a batch; and it would be done right when the write of the next one is to begin, on
 * processors that the writes of all members wait for. Where nobody waits for what is applied, nobody is told later.
 */
export class ApplyPatience {
  private entries = 0;
  private bytes = 0;

  constructor(
    /** Whether somebody waits for what is applied here. */
    private readonly isAwaited: () => boolean,
  ) {}

  /** These wait as well. @returns whether all may go on waiting */
  allows(entries: readonly Entry[]): boolean {
    let mayWait = true;
    for (const { kind, data } of entries) {
      // Who takes part is known by what is applied, also by the core.
      if (kind !== "normal") mayWait = false;
      this.bytes += data.length;
    }
    this.entries += entries.length;
    const isFull = this.entries >= PATIENT_ENTRIES_MAX || this.bytes >= PATIENT_BYTES_MAX;
    return mayWait && !isFull && !this.isAwaited();
  }

  /** None wait any more. */
  ended(): void {
    this.entries = 0;
    this.bytes = 0;
  }
}
