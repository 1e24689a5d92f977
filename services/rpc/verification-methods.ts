import {
  RepairMemberRequest,
  RepairMemberResponse,
  VerifyConsistencyRequest,
  VerifyConsistencyResponse,
  type DivergedKey as WireDivergedKey,
} from "@quorate/proto/cluster";
import { ErrorReason } from "@quorate/proto/kv";
import { CallFailure } from "#forward";
import { unreachable } from "#std";
import type { DivergedKey } from "#verification";
import { type UnaryMethod, unaryMethod } from "./method";
import type { NodeContext, ServedVerification } from "./node-context";
import { notLeaderFailure, unknownMember } from "./outcome-failures";
import { checkMemberId } from "./request-fields";

export const verificationMethods = {
  verifyConsistency: unaryMethod(VerifyConsistencyRequest, VerifyConsistencyResponse, async (node) => {
    const outcome = await verificationOf(node).verify();
    switch (outcome.kind) {
      case "compared":
        return {
          round: BigInt(outcome.round),
          appliedIndex: BigInt(outcome.appliedIndex),
          consistent: outcome.consistent,
          members: outcome.members.map(({ member, answered, agrees, differs, root, keys }) => ({
            memberId: member,
            answered,
            agrees,
            differs,
            root,
            keys: BigInt(keys),
          })),
          diverged: divergedKeys(node, outcome.diverged),
          divergedCount: BigInt(outcome.divergedCount),
          bytesMoved: BigInt(outcome.bytesMoved),
        };
      case "not_leader":
        throw notLeaderFailure(node);
      case "failed":
        throw givenUp(outcome.why);
      default:
        return unreachable(outcome);
    }
  }),

  repairMember: unaryMethod(RepairMemberRequest, RepairMemberResponse, async (node, request, call) => {
    const memberId = checkMemberId(request.memberId);
    const verification = verificationOf(node);
    call.isSubmitted = true;
    const outcome = await verification.repairMember(memberId);
    switch (outcome.kind) {
      case "repaired":
        return {
          recordsRepaired: BigInt(outcome.records),
          stateReplaced: outcome.stateReplaced,
          bytesMoved: BigInt(outcome.bytesMoved),
        };
      case "not_leader":
        throw notLeaderFailure(node);
      case "unknown_member":
        throw unknownMember(node, memberId);
      case "failed":
        if (verification.status().isSplit) throw new CallFailure(ErrorReason.NO_MAJORITY, outcome.why);
        throw givenUp(outcome.why);
      default:
        return unreachable(outcome);
    }
  }),
} as const satisfies Record<string, UnaryMethod>;

function verificationOf({ verification }: NodeContext): ServedVerification {
  if (verification !== null) return verification;
  throw new CallFailure(ErrorReason.UNIMPLEMENTED, "this node does not compare replicas");
}

/** Nothing was decided: the same question may be asked again. */
function givenUp(why: string): CallFailure {
  return new CallFailure(ErrorReason.SUPERSEDED, `the comparison was given up: ${why}`);
}

/** By the names of their namespaces. */
function divergedKeys(node: NodeContext, keys: readonly DivergedKey[]): WireDivergedKey[] {
  const names = new Map(node.replica.namespaces().map(({ id, name }) => [id, name]));
  return keys.map(({ member, namespaceId, key, difference }) => ({
    memberId: member,
    namespace: names.get(namespaceId) ?? "",
    key,
    difference,
  }));
}
