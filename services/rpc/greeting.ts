import type { Hello } from "@quorate/proto/raft";
import type { MembershipState } from "#kv";
import type { MemberId } from "#raft";
import type { Introduction } from "#replica";

export const PROTOCOL_VERSION = 1;

/** What the refusal of a member that was removed begins with: it is told so, and stops. */
export const REMOVED_PREFIX = "removed: ";

/** What the refusal of another data directory than the one that the cluster has bound to a member begins with. */
export const OTHER_STORE_PREFIX = "other data directory: ";

/** Who a node is among its peers. Addresses are host:port, as others reach it. */
export interface PeerIdentity {
  readonly clusterId: string;
  readonly memberId: MemberId;
  readonly storeId: string;
  readonly clientAddress: string;
  readonly peerAddress: string;
}

/** The part of a replica that tells who the members are, and which data directory may speak for whom. */
export interface MemberRegister {
  /** Another value after each change. */
  readonly membership: MembershipState;
  /** Also what is in the log and not applied yet. */
  memberStore(memberId: MemberId): string | null;
  noteIntroduction(introduction: Introduction): void;
}

export function helloTo(peer: MemberId, own: PeerIdentity, epoch: number): Hello {
  return {
    ...own,
    toMemberId: peer,
    protocolVersion: PROTOCOL_VERSION,
    membershipEpoch: BigInt(epoch),
  };
}

export function introductionOf({
  memberId,
  storeId,
  clientAddress,
  peerAddress,
  membershipEpoch,
}: Hello): Introduction {
  const addresses = clientAddress === "" || peerAddress === "" ? null : { clientAddress, peerAddress };
  return { memberId, storeId, addresses, epoch: Number(membershipEpoch) };
}

/** Longer than any id or address; what a hello says is kept. */
const HELLO_TEXT_LENGTH_MAX = 512;

/**
 * Why a peer that introduces itself so cannot be talked to, in words, or null when it can.
 */
export function helloFault(
  hello: Hello,
  own: PeerIdentity,
  register: Pick<MemberRegister, "membership" | "memberStore">,
): string | null {
  if (hello.protocolVersion !== PROTOCOL_VERSION) {
    return `it speaks protocol version ${hello.protocolVersion}, this node ${PROTOCOL_VERSION}`;
  }
  const { memberId, storeId, clientAddress, peerAddress } = hello;
  if ([memberId, storeId, clientAddress, peerAddress].some(({ length }) => length > HELLO_TEXT_LENGTH_MAX)) {
    return "it introduces itself at a length that no name or address has";
  }
  if (hello.clusterId !== own.clusterId) {
    return `it belongs to cluster "${hello.clusterId}", this node to "${own.clusterId}"`;
  }
  if (hello.toMemberId !== own.memberId)
    return `it wants to reach "${hello.toMemberId}", this is "${own.memberId}"`;
  if (hello.memberId === "" || hello.memberId === own.memberId)
    return `"${hello.memberId}" is no other member`;
  if (hello.storeId === "") return "it names no data directory";
  return membershipFault(hello, register.membership) ?? storeFault(hello, register);
}

/**
 * The part of the check that may fail later too, once the membership has changed. A stranger that has applied more changes
 * than this node is known to the others: this node is the ignorant one, and could hear of the change from nobody else
 * where the stranger leads. Only by its data directory is it known for certain that a member was removed: one of the same
 * name may have been added since, by a change that is not applied here yet.
 */
export function membershipFault(
  { memberId, storeId, membershipEpoch }: Hello,
  { members, epoch, retiredStores }: MembershipState,
): string | null {
  if (retiredStores.includes(storeId)) {
    return `${REMOVED_PREFIX}data directory ${storeId} belonged to a member that was removed from the cluster`;
  }
  if (members.some((member) => member.memberId === memberId) || membershipEpoch > BigInt(epoch)) return null;
  return `"${memberId}" is no member of the cluster`;
}

/**
 * May fail later too, once the cluster has recorded a store. Another data directory under a member's name is no member: it
 * may have forgotten votes and entries that the member had promised to keep.
 */
export function storeFault(hello: Hello, stores: Pick<MemberRegister, "memberStore">): string | null {
  const recorded = stores.memberStore(hello.memberId);
  if (recorded === null || recorded === hello.storeId) return null;
  return `${OTHER_STORE_PREFIX}"${hello.memberId}" is bound to data directory ${recorded}, and this is ${hello.storeId}`;
}

/** What a refused peer is told. */
export function refusalText(fault: string): string {
  const isFact = fault.startsWith(REMOVED_PREFIX) || fault.startsWith(OTHER_STORE_PREFIX);
  return isFact ? fault : `refused: ${fault}`;
}
