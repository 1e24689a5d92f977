import type { MemberInfo, MembershipState } from "#kv";
import type { MemberId } from "#raft";
import { compareStrings } from "#std";
import { addressFault } from "./membership-keeper";
import type { MemberAddresses } from "./options";

/** What a member says of itself when it connects. */
export interface Introduction {
  readonly memberId: MemberId;
  /** The random id of its data directory. */
  readonly storeId: string;
  /** Where it is reached; null where it does not say. */
  readonly addresses: MemberAddresses | null;
  /** How many changes of the configuration it has applied. */
  readonly epoch: number;
}

/** Beyond so many, strangers are forgotten, the first first: anyone who reaches the peer port may introduce himself. */
const STRANGERS_MAX = 1024;

/**
 * Remembers what each member said of itself, so that a leader can have recorded what the cluster does not know yet or
 * knows otherwise. The first data directory recorded wins, and the latest addresses.
 */
export class Introductions {
  private readonly noted = new Map<MemberId, Introduction>();

  /** @param isMember whether that id is one of the present members, who are never forgotten */
  note(introduction: Introduction, isMember: (memberId: MemberId) => boolean): void {
    const { memberId } = introduction;
    if (!this.noted.has(memberId) && !isMember(memberId)) this.makeRoom(isMember);
    this.noted.set(memberId, introduction);
  }

  /** Where a member says itself that it is reached; null where it has not said. */
  addressesOf(memberId: MemberId): MemberAddresses | null {
    return this.noted.get(memberId)?.addresses ?? null;
  }

  /** Whether a stranger is known to a later configuration than this member has applied. */
  isNewcomer(memberId: MemberId, epoch: number): boolean {
    return (this.noted.get(memberId)?.epoch ?? 0) > epoch;
  }

  /** The data directories of members that are yet to be recorded, sorted by member. */
  unrecordedStores(
    membership: MembershipState,
    recorded: (memberId: MemberId) => string | null,
  ): readonly { readonly memberId: MemberId; readonly storeId: string }[] {
    const { members, retiredStores } = membership;
    return [...this.noted.values()]
      .filter(({ memberId }) => members.some((member) => member.memberId === memberId))
      .filter(({ memberId, storeId }) => recorded(memberId) === null && !retiredStores.includes(storeId))
      .map(({ memberId, storeId }) => ({ memberId, storeId }))
      .sort((left, right) => compareStrings(left.memberId, right.memberId));
  }

  /** Members, with the data directory that is theirs, that are reached elsewhere than was recorded; sorted. */
  movedMembers(membership: MembershipState): readonly MemberInfo[] {
    return membership.members.flatMap((member) => {
      const noted = this.noted.get(member.memberId);
      if (noted === undefined || noted.addresses === null || noted.storeId !== member.storeId) return [];
      const { clientAddress, peerAddress } = noted.addresses;
      if (clientAddress === member.clientAddress && peerAddress === member.peerAddress) return [];
      const moved = { ...member, clientAddress, peerAddress };
      return addressFault(moved, membership) === null ? [moved] : [];
    });
  }

  private makeRoom(isMember: (memberId: MemberId) => boolean): void {
    if (this.noted.size < STRANGERS_MAX) return;
    for (const memberId of this.noted.keys()) {
      if (isMember(memberId)) continue;
      this.noted.delete(memberId);
      return;
    }
  }
}
