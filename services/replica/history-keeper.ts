/** How much history is kept; what is beyond either bound is given up. */
export interface HistoryLimits {
  /** null for all. */
  readonly revisionsMax: number | null;
  /** In replicated time; null for ever. */
  readonly ageMsMax: number | null;
}

/** History is given up in steps of this part of what is kept, so that it costs few log entries. */
const STEP_SHARE = 1 / 16;

/**
 * Decides which history a leader gives up. Every member keeps count, so that a new leader knows how old a revision is;
 * after a restart the count begins anew, and history lives longer rather than shorter.
 */
export class HistoryKeeper {
  /** What was the revision at which replicated time, oldest first. */
  private marks: { readonly timeMs: number; readonly revision: number }[] = [];
  private revisionBefore = 0;
  private proposedRevision = 0;

  constructor(private readonly limits: HistoryLimits) {}

  /** Replicated time and the revision have come to here. */
  advanced(timeMs: number, revision: number): void {
    // What came together with the Tick may be younger than it.
    const markedRevision = this.revisionBefore;
    this.revisionBefore = revision;
    const { ageMsMax } = this.limits;
    if (ageMsMax === null) return;
    const last = this.marks.at(-1);
    if (last !== undefined && timeMs - last.timeMs < ageMsMax * STEP_SHARE) return;
    this.marks.push({ timeMs, revision: markedRevision });
    // The newest of those that are old enough says all that the older ones could.
    const firstYoung = this.marks.findIndex((mark) => timeMs - mark.timeMs < ageMsMax);
    if (firstYoung > 1) this.marks.splice(0, firstYoung - 1);
  }

  /** Another term has begun: what was proposed may be lost. */
  reset(): void {
    this.proposedRevision = 0;
  }

  /** The oldest revision that is to be kept from now on, or null where nothing is due. */
  due(now: {
    readonly timeMs: number;
    readonly revision: number;
    readonly compactedRevision: number;
  }): number | null {
    const target = Math.max(this.dueByCount(now.revision, now.compactedRevision), this.dueByAge(now.timeMs));
    return target > Math.max(now.compactedRevision, this.proposedRevision) ? target : null;
  }

  /** What was due has a place in the log. */
  proposed(revision: number): void {
    this.proposedRevision = revision;
  }

  private dueByCount(revision: number, compactedRevision: number): number {
    const { revisionsMax } = this.limits;
    if (revisionsMax === null) return 0;
    const target = revision - revisionsMax;
    return target - compactedRevision >= Math.max(1, revisionsMax * STEP_SHARE) ? target : 0;
  }

  private dueByAge(timeMs: number): number {
    const { ageMsMax } = this.limits;
    const oldest = this.marks[0];
    if (ageMsMax === null || oldest === undefined || timeMs - oldest.timeMs < ageMsMax) return 0;
    return oldest.revision;
  }
}
