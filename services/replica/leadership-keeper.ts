import type { MembershipState } from "#kv";
import type { MemberId, RaftStatus } from "#raft";

/** How many entries whoever is to lead may lack. */
const LAG_MAX = 64;

/**
 * Finds out whether another voter should lead instead: one of a higher priority, or one with space on its disk where the
 * leader has none. Looks now and then only, so that leadership does not go to and fro.
 */
export class LeadershipKeeper {
  private ticksLeft: number;

  constructor(private readonly intervalTicks: number) {
    this.ticksLeft = intervalTicks;
  }

  /** Another member leads, or this one in another term. */
  reset(): void {
    this.ticksLeft = this.intervalTicks;
  }

  /** To be called once a tick on the leader. */
  due(
    own: { readonly id: MemberId; readonly isLowOnSpace: boolean },
    membership: MembershipState,
    status: () => Pick<RaftStatus, "progress" | "last" | "transferTarget">,
  ): MemberId | null {
    this.ticksLeft -= 1;
    if (this.ticksLeft > 0) return null;
    this.ticksLeft = this.intervalTicks;
    const { progress, last, transferTarget } = status();
    if (transferTarget !== null) return null;
    const priorities = new Map(membership.members.map(({ memberId, priority }) => [memberId, priority]));
    let best: { readonly id: MemberId; readonly merit: number } = {
      id: own.id,
      merit: meritOf(priorities.get(own.id) ?? 0, own.isLowOnSpace),
    };
    for (const peer of progress ?? []) {
      if (peer.id === own.id || !peer.isRecentlyActive) continue;
      if (!membership.configuration.voters.includes(peer.id)) continue;
      if (last.index - peer.match > LAG_MAX) continue;
      const merit = meritOf(priorities.get(peer.id) ?? 0, peer.isLowOnSpace);
      if (merit > best.merit) best = { id: peer.id, merit };
    }
    return best.id === own.id ? null : best.id;
  }
}

/** Space counts more than any priority. */
function meritOf(priority: number, isLowOnSpace: boolean): number {
  return priority + (isLowOnSpace ? 0 : 1_000_000);
}
