import { type ConfigurationState, decodeCommand } from "@quorate/services/kv";
import type { Entry, EntryId, Index, MemberId } from "@quorate/services/raft";
import type { Seat } from "../world-contract";
import { isVoter } from "./configurations";
import { broken } from "./invariant";

/** What a learner may lack when it is made a voter, and what may have come to the leader's log since it looked. */
const LAG_MAX = 256;
const SINCE_MAX = 64;

/**
 * The last entry that a member holds as far as the others can know. What was wiped a moment ago, be it that it runs again,
 * had caught up as far as anybody knew: whoever lost that never votes.
 *
 * @param reach the highest index that it held since it joined last
 */
export function lastKnownIndex(seat: Pick<Seat, "replica" | "isStrange" | "logDisk">, reach: Index): Index {
  return seat.replica === null || seat.isStrange ? reach : seat.logDisk.lastIndex;
}

/** Whether whoever is to vote has caught up when that is proposed (invariant 12; thesis 4.2.1). */
export class CaughtUp {
  private readonly seen = new Set<string>();

  constructor(private readonly lastIndexOf: (member: MemberId) => Index) {}

  /** @param configurationAt what holds once everything up to an index is applied */
  appended(entries: readonly Entry[], configurationAt: (index: Index) => ConfigurationState): void {
    for (const entry of entries) {
      if (entry.kind === "normal" || entry.data.length === 0 || !this.isNew(entry)) continue;
      const operation = decodeCommand(entry.data)?.operation;
      if (operation?.$case !== "changeMembership") continue;
      const before = configurationAt(entry.index - 1);
      for (const id of operation.value.configuration?.voters ?? []) {
        if (!isVoter(before, id)) this.promoted(id, entry);
      }
    }
  }

  private promoted(id: MemberId, { term, index }: EntryId): void {
    const lag = index - this.lastIndexOf(id);
    if (lag <= LAG_MAX + SINCE_MAX) return;
    broken("a voter has caught up", `${term}/${index} makes a voter of ${id}, which lacks ${lag} entries`);
  }

  private isNew({ term, index }: EntryId): boolean {
    const name = `${term}/${index}`;
    if (this.seen.has(name)) return false;
    this.seen.add(name);
    return true;
  }
}
