import {
  AddMemberRequest,
  AddMemberResponse,
  ChangeMembersRequest,
  ChangeMembersResponse,
  type Member,
  type MemberChange,
  MemberChangeKind,
  PromoteMemberRequest,
  PromoteMemberResponse,
  RemoveMemberRequest,
  RemoveMemberResponse,
  UpdateMemberRequest,
  UpdateMemberResponse,
} from "@quorate/proto/cluster";
import type { ByteCall } from "#forward";
import { PRIORITY_DEFAULT } from "#kv";
import type { MembershipChange, MembershipRequest } from "#replica";
import { type UnaryMethod, unaryMethod } from "./method";
import type { NodeContext } from "./node-context";
import { membershipFailure, unknownMember } from "./outcome-failures";
import { checkAddress, checkMemberId, checkPriority, invalid } from "./request-fields";

/** Each checks its fields, has the change made, and answers with the members as they are then. */
export const membershipMethods = {
  addMember: unaryMethod(AddMemberRequest, AddMemberResponse, (node, request, call) =>
    change(node, call, {
      kind: "add",
      memberId: checkMemberId(request.memberId),
      clientAddress: checkAddress(request.clientAddress, "client_address"),
      peerAddress: checkAddress(request.peerAddress, "peer_address"),
      priority: checkPriority(request.priority ?? PRIORITY_DEFAULT),
      promoteWhenCaughtUp: request.promoteWhenCaughtUp,
      replaces: request.replaces === "" ? null : checkMemberId(request.replaces, "replaces"),
    }),
  ),

  promoteMember: unaryMethod(PromoteMemberRequest, PromoteMemberResponse, (node, { memberId }, call) =>
    change(node, call, { kind: "promote", memberId: checkMemberId(memberId) }),
  ),

  removeMember: unaryMethod(RemoveMemberRequest, RemoveMemberResponse, (node, { memberId }, call) =>
    change(node, call, { kind: "remove", memberId: checkMemberId(memberId) }),
  ),

  updateMember: unaryMethod(UpdateMemberRequest, UpdateMemberResponse, (node, request, call) => {
    const { clientAddress, peerAddress, priority } = request;
    if (clientAddress === undefined && peerAddress === undefined && priority === undefined) {
      throw invalid("one of client_address, peer_address and priority must be set");
    }
    return change(node, call, {
      kind: "update",
      memberId: checkMemberId(request.memberId),
      clientAddress: clientAddress === undefined ? null : checkAddress(clientAddress, "client_address"),
      peerAddress: peerAddress === undefined ? null : checkAddress(peerAddress, "peer_address"),
      priority: priority === undefined ? null : checkPriority(priority),
    });
  }),

  changeMembers: unaryMethod(ChangeMembersRequest, ChangeMembersResponse, (node, request, call) => {
    if (request.changes.length === 0) throw invalid("changes must not be empty");
    const changes = request.changes.map((one, at) => changeOf(node, one, `changes[${at}]`));
    const ids = changes.map(({ memberId }) => memberId);
    const again = ids.find((id, at) => ids.indexOf(id) !== at);
    if (again !== undefined) throw invalid(`changes has more than one change of "${again}"`);
    return change(node, call, { kind: "change", changes });
  }),
} as const satisfies Record<string, UnaryMethod>;

/** The members as this node knows them, sorted by id. */
export function memberList(node: NodeContext): Member[] {
  const { members, configuration } = node.replica.membership;
  const reached = new Map(node.members.map((member) => [member.id, member]));
  return members.map((member) => {
    const { memberId, clientAddress, peerAddress, priority, promoteWhenCaughtUp, replaces } = member;
    return {
      memberId,
      clientAddress: reached.get(memberId)?.clientAddress ?? clientAddress,
      peerAddress: reached.get(memberId)?.peerAddress ?? peerAddress,
      storeId: node.replica.memberStore(memberId) ?? "",
      leader: memberId === node.directory.knownLeaderId,
      voter: configuration.voters.includes(memberId) || configuration.votersOutgoing.includes(memberId),
      priority,
      promoteWhenCaughtUp,
      replaces,
    };
  });
}

async function change(
  node: NodeContext,
  call: ByteCall,
  request: MembershipRequest,
): Promise<{ members: Member[] }> {
  call.isSubmitted = true;
  const outcome = await node.replica.changeMembership(request);
  if (outcome.kind === "changed") return { members: memberList(node) };
  call.isSubmitted = outcome.kind === "unknown";
  throw membershipFailure(node, outcome, wordsOf(request));
}

function wordsOf(request: MembershipRequest): string {
  if (request.kind !== "change") return `${request.kind} ${request.memberId}`;
  return request.changes.map(({ kind, memberId }) => `${kind} ${memberId}`).join(", ");
}

/** @param path where it is in the request, to be named in a message */
function changeOf(node: NodeContext, wire: MemberChange, path: string): MembershipChange {
  const memberId = checkMemberId(wire.memberId, `${path}.member_id`);
  const isPresent = node.replica.membership.members.some((member) => member.memberId === memberId);
  const newcomer = () => {
    if (isPresent) return { memberId, clientAddress: "", peerAddress: "" };
    // Whoever gives no address at all means a member that is there.
    if (wire.clientAddress === "" && wire.peerAddress === "") throw unknownMember(node, memberId);
    return {
      memberId,
      clientAddress: checkAddress(wire.clientAddress, `${path}.client_address`),
      peerAddress: checkAddress(wire.peerAddress, `${path}.peer_address`),
    };
  };
  switch (wire.kind) {
    case MemberChangeKind.VOTER:
      return { kind: "voter", ...newcomer() };
    case MemberChangeKind.LEARNER:
      return { kind: "learner", ...newcomer() };
    case MemberChangeKind.REMOVE:
      return { kind: "remove", memberId, clientAddress: "", peerAddress: "" };
    case MemberChangeKind.UNSPECIFIED:
      throw invalid(`${path}.kind must be set`);
    default:
      // What is on the wire may be a number that this version has no name for.
      throw invalid(`${path}.kind has the unknown value ${wire.kind satisfies never}`);
  }
}
