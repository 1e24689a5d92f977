import type { HistoryLimits } from "@quorate/services/replica";
import { broken } from "./invariant";
import type { ReferenceStep } from "./reference";

/**
 * What leaders give up by themselves is beyond one of the bounds: so many revisions stay, or all that is younger in
 * replicated time (invariant 6). A leader decides before its command is committed, so the bounds are looser by then.
 */
export class KeptHistory {
  /** By revision: the replicated time at which it was reached. */
  private readonly reachedMs: number[] = [0];

  constructor(private readonly limits: HistoryLimits) {}

  committed({ index, command, writes }: ReferenceStep): void {
    const { revision, timeMs } = writes.meta;
    while (this.reachedMs.length <= revision) this.reachedMs.push(timeMs);
    const operation = command?.operation;
    if (operation?.$case !== "compact" || !operation.value.allNamespaces) return;
    const given = Number(operation.value.revision);
    const { revisionsMax, ageMsMax } = this.limits;
    if (revisionsMax !== null && given <= revision - revisionsMax) return;
    const reachedMs = this.reachedMs[given];
    if (ageMsMax !== null && reachedMs !== undefined && reachedMs <= timeMs - ageMsMax) return;
    broken(
      "history is there until it is given up",
      `entry ${index} gives up all before revision ${given}, reached at ${reachedMs} ms, at revision ${revision} and ${timeMs} ms, ` +
        `where ${revisionsMax ?? "all"} revisions and ${ageMsMax ?? "all"} ms are to be kept`,
    );
  }
}
