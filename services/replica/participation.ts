import type { MembershipState } from "#kv";
import type { MemberId } from "#raft";

/** Longer than a leader that counts this member among its own keeps silent, unless the way between them is broken. */
const SILENT_ELECTIONS = 10;

export interface ParticipationOptions {
  readonly id: MemberId;
  /** The random id of its data directory. */
  readonly storeId: string;
  readonly electionTicks: number;
}

/**
 * Whether this member takes part, on the data directory that it has now, which may not be its first. One that joins may
 * have begun with a state from before it was added, or from before it was removed last time. So its removal is certain
 * only where its own directory was bound to it, for that one is retired then. Else it may be another's of the same name, and
 * the entry that adds this one is yet to come: whoever is added is sent it by the leader, and who was removed hears nothing.
 */
export class Participation {
  private isMember: boolean;
  /** While it is not certain that it was removed: since when no leader was heard. */
  private silentTicks: number | null = null;

  constructor(
    private readonly options: ParticipationOptions,
    membership: MembershipState,
  ) {
    this.isMember = this.isIn(membership);
  }

  /**
   * Whether it is known by this that it was removed.
   *
   * @param leads whoever leads has removed itself: it was a voter before, and nobody has added it since
   */
  changed(membership: MembershipState, leads: boolean): boolean {
    const wasMember = this.isMember;
    this.isMember = this.isIn(membership);
    const wasInDoubt = this.silentTicks !== null;
    if (this.isMember) this.silentTicks = null;
    if (this.isMember || !(wasMember || wasInDoubt)) return false;
    const isCertain = leads || membership.retiredStores.includes(this.options.storeId);
    this.silentTicks = isCertain ? null : (this.silentTicks ?? 0);
    return isCertain;
  }

  leaderHeard(): void {
    if (this.silentTicks !== null) this.silentTicks = 0;
  }

  /** Whether it is known from now on that it was removed. */
  tick(): boolean {
    if (this.silentTicks === null) return false;
    this.silentTicks += 1;
    if (this.silentTicks < SILENT_ELECTIONS * this.options.electionTicks) return false;
    this.silentTicks = null;
    return true;
  }

  private isIn({ members }: MembershipState): boolean {
    const { id, storeId: own } = this.options;
    return members.some(({ memberId, storeId }) => memberId === id && (storeId ?? own) === own);
  }
}
