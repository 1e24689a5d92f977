import type { MemberState, MembershipState } from "#kv";
import type { MemberId } from "#raft";
import type { GuestLinks, MemberAddresses } from "#rpc";

/**
 * Where the members are reached: as the cluster has recorded it. What this node was given at its start goes before that,
 * until the cluster has it otherwise than at that time: so a cluster all of whose addresses changed while it was down
 * finds together again, and a list that has grown old does no harm.
 */
export class AddressBook {
  private readonly given: Map<MemberId, MemberAddresses>;
  private readonly recordedAtStart: ReadonlyMap<MemberId, MemberState>;
  private readonly guests = new Map<MemberId, string>();
  private membership: MembershipState;

  /** @param routes where this node reaches a member's peer service, whatever anybody says */
  constructor(
    membership: MembershipState,
    given: readonly MemberAddresses[],
    private readonly routes: ReadonlyMap<MemberId, string> = new Map(),
  ) {
    this.membership = membership;
    this.given = new Map(given.map((member) => [member.id, member]));
    this.recordedAtStart = byId(membership);
  }

  update(membership: MembershipState): void {
    this.membership = membership;
    for (const member of membership.members) {
      const before = this.recordedAtStart.get(member.memberId);
      if (before === undefined || !hasSameAddresses(member, before)) this.given.delete(member.memberId);
    }
  }

  /** The members, sorted by id. */
  get members(): readonly MemberAddresses[] {
    return this.membership.members.map(
      ({ memberId, clientAddress, peerAddress }) =>
        this.given.get(memberId) ?? { id: memberId, clientAddress, peerAddress },
    );
  }

  /** host:port of their client services. */
  get clients(): readonly (readonly [MemberId, string])[] {
    return this.members.map(({ id, clientAddress }) => [id, clientAddress]);
  }

  /** host:port of their peer services. */
  get peers(): ReadonlyMap<MemberId, string> {
    return new Map(this.members.map(({ id, peerAddress }) => [id, this.routes.get(id) ?? peerAddress]));
  }

  /** Also of a stranger that knows more than this node, and may lead; null where it is not known. */
  peerAddress(memberId: MemberId): string | null {
    return this.peers.get(memberId) ?? this.guests.get(memberId) ?? null;
  }

  /** Strangers that are answered are noted here on the way. */
  noting(links: GuestLinks): GuestLinks {
    return {
      welcome: (guest, address) => {
        const route = this.routes.get(guest) ?? address;
        this.guests.set(guest, route);
        links.welcome(guest, route);
      },
      dismiss: (guest) => {
        this.guests.delete(guest);
        links.dismiss(guest);
      },
    };
  }
}

function byId({ members }: MembershipState): ReadonlyMap<MemberId, MemberState> {
  return new Map(members.map((member) => [member.memberId, member]));
}

function hasSameAddresses(one: MemberState, other: MemberState): boolean {
  return one.clientAddress === other.clientAddress && one.peerAddress === other.peerAddress;
}
