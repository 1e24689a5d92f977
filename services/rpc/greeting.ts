import type { Hello } from "@quorate/proto/raft";
import type { MemberId } from "#raft";

export const PROTOCOL_VERSION = 1;

/** Who a node is among its peers. */
export interface PeerIdentity {
  readonly clusterId: string;
  readonly memberId: MemberId;
  readonly storeId: string;
}

/** The part of a replica that tells which data directory may speak for a member. */
export interface StoreRegister {
  memberStore(memberId: MemberId): string | null;
  noteStore(memberId: MemberId, storeId: string): void;
}

export function helloTo(peer: MemberId, own: PeerIdentity): Hello {
  return {
    clusterId: own.clusterId,
    memberId: own.memberId,
    storeId: own.storeId,
    toMemberId: peer,
    protocolVersion: PROTOCOL_VERSION,
  };
}

/**
 * Why a peer that introduces itself so cannot be talked to, in words, or null when it can. Another data directory under
 * a member's name is no member: it may have forgotten votes and entries that the member had promised to keep.
 */
export function helloFault(
  hello: Hello,
  own: PeerIdentity,
  isMember: (id: MemberId) => boolean,
  stores: Pick<StoreRegister, "memberStore">,
): string | null {
  if (hello.protocolVersion !== PROTOCOL_VERSION) {
    return `it speaks protocol version ${hello.protocolVersion}, this node ${PROTOCOL_VERSION}`;
  }
  if (hello.clusterId !== own.clusterId) {
    return `it belongs to cluster "${hello.clusterId}", this node to "${own.clusterId}"`;
  }
  if (hello.toMemberId !== own.memberId)
    return `it wants to reach "${hello.toMemberId}", this is "${own.memberId}"`;
  if (hello.memberId === own.memberId || !isMember(hello.memberId))
    return `"${hello.memberId}" is no other member`;
  if (hello.storeId === "") return "it names no data directory";
  return storeFault(hello, stores);
}

/** The part of the check that can fail later too, once the cluster has recorded a store. */
export function storeFault(hello: Hello, stores: Pick<StoreRegister, "memberStore">): string | null {
  const recorded = stores.memberStore(hello.memberId);
  if (recorded === null || recorded === hello.storeId) return null;
  return `"${hello.memberId}" is bound to data directory ${recorded}, and this is ${hello.storeId}`;
}
