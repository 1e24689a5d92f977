import { ErrorReason, type LeaderHint, Outcome } from "@quorate/proto/kv";
import { Refusal, type Refused } from "@quorate/proto/log";
import { CallFailure } from "#forward";
import type {
  MembershipOutcome,
  NotAppliedReason,
  ReadOutcome,
  ReadPoint,
  StoreFailure,
  TransferResult,
  UnknownReason,
} from "#replica";
import { unreachable } from "#std";
import type { NodeContext } from "./node-context";

/*
 * From what the replica and the state machine say to what a caller is told: one exhaustive table for each vocabulary.
 */

const reasonsOfRefusals = {
  [Refusal.UNSPECIFIED]: ErrorReason.INTERNAL,
  [Refusal.UNKNOWN_NAMESPACE]: ErrorReason.UNKNOWN_NAMESPACE,
  [Refusal.UNKNOWN_LEASE]: ErrorReason.UNKNOWN_LEASE,
  [Refusal.SESSION_EXPIRED]: ErrorReason.SESSION_EXPIRED,
  [Refusal.SESSION_WINDOW_FULL]: ErrorReason.SESSION_WINDOW_FULL,
  [Refusal.ANSWER_DROPPED]: ErrorReason.ANSWER_DROPPED,
  [Refusal.CONDITION_FAILED]: ErrorReason.CONDITION_FAILED,
  [Refusal.NOT_AN_INTEGER]: ErrorReason.NOT_AN_INTEGER,
  [Refusal.INTEGER_OVERFLOW]: ErrorReason.INTEGER_OVERFLOW,
  [Refusal.TOO_LARGE]: ErrorReason.TOO_LARGE,
  [Refusal.NAMESPACE_EXISTS]: ErrorReason.NAMESPACE_EXISTS,
  [Refusal.TOO_MANY_NAMESPACES]: ErrorReason.TOO_MANY_NAMESPACES,
  [Refusal.TOO_MANY_SESSIONS]: ErrorReason.TOO_MANY_SESSIONS,
  [Refusal.TOO_MANY_LEASES]: ErrorReason.TOO_MANY_LEASES,
  [Refusal.QUOTA_EXCEEDED]: ErrorReason.QUOTA_EXCEEDED,
  [Refusal.COMPACTED]: ErrorReason.COMPACTED,
  [Refusal.FUTURE_REVISION]: ErrorReason.FUTURE_REVISION,
  [Refusal.PERMANENT_NAMESPACE]: ErrorReason.PERMANENT_NAMESPACE,
  [Refusal.UNKNOWN_MEMBER]: ErrorReason.UNKNOWN_MEMBER,
  [Refusal.OUT_OF_ORDER]: ErrorReason.OUT_OF_ORDER,
  // No call of a client makes these commands, so only a fault of ours can bring them here.
  [Refusal.STORE_MISMATCH]: ErrorReason.INTERNAL,
  [Refusal.UNKNOWN_COMMAND]: ErrorReason.INTERNAL,
} as const satisfies Record<Refusal, ErrorReason>;

export function refusalFailure(refused: Refused): CallFailure {
  // A newer leader may have refused for a reason that this version does not know; nothing was changed all the same.
  const reason: ErrorReason | undefined = reasonsOfRefusals[refused.refusal];
  return new CallFailure(reason ?? ErrorReason.INTERNAL, refused.message, {
    ...(refused.refusal === Refusal.ANSWER_DROPPED ? {} : { outcome: Outcome.NOT_APPLIED }),
    ...(refused.oldestRevision === 0n ? {} : { oldestRevision: Number(refused.oldestRevision) }),
  });
}

const notAppliedRows = {
  not_leader: [ErrorReason.NOT_LEADER, "this node is not the leader"],
  transferring: [ErrorReason.NO_LEADER, "leadership is being handed over; try again"],
  backlog_full: [ErrorReason.BACKLOG_FULL, "too many writes are waiting to be replicated; try again later"],
  no_space: [
    ErrorReason.NO_SPACE,
    "the disks of too many members are nearly full; writes are taken again once a majority has space",
  ],
  superseded: [ErrorReason.SUPERSEDED, "another leader's entry took the place of this write in the log"],
  stopping: [ErrorReason.SHUTTING_DOWN, "the node is shutting down"],
} as const satisfies Record<NotAppliedReason, readonly [ErrorReason, string]>;

export function notAppliedFailure(node: NodeContext, reason: NotAppliedReason): CallFailure {
  if (reason === "not_leader") return notLeaderFailure(node);
  const [errorReason, message] = notAppliedRows[reason];
  return new CallFailure(errorReason, message);
}

const unknownRows = {
  leadership_lost: [ErrorReason.LEADERSHIP_LOST, "leadership was lost while the outcome was open"],
  store_lost: [ErrorReason.STORE_LOST, "the node's store failed while the outcome was open"],
  stopping: [ErrorReason.SHUTTING_DOWN, "the node shut down while the outcome was open"],
} as const satisfies Record<UnknownReason, readonly [ErrorReason, string]>;

export function unknownFailure(reason: UnknownReason): CallFailure {
  const [errorReason, message] = unknownRows[reason];
  return new CallFailure(errorReason, message, { outcome: Outcome.UNKNOWN });
}

/** A call that belongs to the leader came here and goes no further; names the leader where one is known. */
export function notLeaderFailure(node: NodeContext): CallFailure {
  const leader: LeaderHint | null = node.directory.leader;
  if (leader === null || leader.memberId === node.memberId) {
    return new CallFailure(ErrorReason.NO_LEADER, "no leader is known at the moment");
  }
  return new CallFailure(
    ErrorReason.NOT_LEADER,
    `${node.memberId} is not the leader; ${leader.memberId} at ${leader.address} is`,
    { leader },
  );
}

/** @param requested what the read asked for, to be named in the message */
export function readFailure(
  outcome: Exclude<ReadOutcome, ReadPoint>,
  requested: { readonly namespace: string; readonly revision: number; readonly minRevision: number },
): CallFailure {
  switch (outcome.kind) {
    case "no_leader":
      return new CallFailure(ErrorReason.NO_LEADER, "no leader is known at the moment");
    case "backlog_full":
      return new CallFailure(ErrorReason.BACKLOG_FULL, "too many reads are waiting; try again later");
    case "unknown_namespace":
      return new CallFailure(ErrorReason.UNKNOWN_NAMESPACE, `there is no namespace "${requested.namespace}"`);
    case "compacted":
      return new CallFailure(
        ErrorReason.COMPACTED,
        `revision ${requested.revision} is older than the history that is kept, which begins at ${outcome.oldestRevision}`,
        { oldestRevision: outcome.oldestRevision },
      );
    case "future_revision":
      return new CallFailure(
        ErrorReason.FUTURE_REVISION,
        `revision ${Math.max(requested.revision, requested.minRevision)} has not been reached; the newest is ${outcome.revision}`,
      );
    case "cancelled":
      return new CallFailure(ErrorReason.CANCELLED, "the caller left");
    case "store_lost":
      return new CallFailure(ErrorReason.STORE_LOST, "the node's store failed");
    case "stopping":
      return new CallFailure(ErrorReason.SHUTTING_DOWN, "the node is shutting down");
    default:
      return unreachable(outcome);
  }
}

export function transferFailure(
  node: NodeContext,
  result: Exclude<TransferResult, { kind: "transferred" }>,
  target: string,
): CallFailure {
  switch (result.kind) {
    case "not_leader":
      return notLeaderFailure(node);
    case "unknown_member": {
      const { voters } = node.replica.membership.configuration;
      return new CallFailure(
        ErrorReason.UNKNOWN_MEMBER,
        target === ""
          ? "there is no other voter to lead"
          : `there is no voter "${target}"; the voters are ${voters.join(", ")}`,
      );
    }
    case "timed_out":
      return new CallFailure(
        ErrorReason.DEADLINE_EXCEEDED,
        `${target === "" ? "the other voter" : target} did not lead within the time that a transfer may take`,
      );
    default:
      return unreachable(result);
  }
}

/** Of a member that the cluster does not have. */
export function unknownMember(node: NodeContext, memberId: string): CallFailure {
  const ids = memberIds(node).join(", ");
  return new CallFailure(ErrorReason.UNKNOWN_MEMBER, `there is no member "${memberId}"; there are ${ids}`);
}

/**
 * Of a change of the membership that was not made.
 *
 * @param asked what was to be changed, in words
 */
export function membershipFailure(
  node: NodeContext,
  outcome: Exclude<MembershipOutcome, { kind: "changed" }>,
  asked: string,
): CallFailure {
  switch (outcome.kind) {
    case "not_leader":
      return notLeaderFailure(node);
    case "unknown_member":
      return unknownMember(node, outcome.memberId);
    case "member_exists":
      return new CallFailure(ErrorReason.MEMBER_EXISTS, `there is a member "${outcome.memberId}" already`);
    case "not_caught_up":
      return new CallFailure(ErrorReason.LEARNER_NOT_READY, notCaughtUp(node, outcome));
    case "last_voter":
      return new CallFailure(
        ErrorReason.LAST_VOTER,
        `${asked}: no voter would be left; the last voter cannot be removed`,
      );
    case "quorum_at_risk":
      return new CallFailure(ErrorReason.QUORUM_AT_RISK, quorumAtRisk(outcome.silent, asked));
    case "changing":
      return new CallFailure(
        ErrorReason.MEMBERSHIP_CHANGING,
        "another change of the members is under way; try again when it is made",
      );
    case "too_many_members":
      return new CallFailure(ErrorReason.TOO_MANY_MEMBERS, "there are as many members as there may be");
    case "invalid":
      return new CallFailure(ErrorReason.INVALID_ARGUMENT, `${asked}: ${outcome.fault}`);
    case "not_applied":
      return notAppliedFailure(node, outcome.reason);
    case "unknown":
      return unknownFailure(outcome.reason);
    default:
      return unreachable(outcome);
  }
}

function notCaughtUp(
  node: NodeContext,
  { memberId, lag }: Extract<MembershipOutcome, { kind: "not_caught_up" }>,
): string {
  const ids = memberIds(node);
  return ids.includes(memberId)
    ? `${memberId} lacks ${lag} log entries, too many to vote; try again when it has caught up`
    : `${memberId} is no member yet and has none of the ${lag} log entries: add it as a learner first; there are ${ids.join(", ")}`;
}

function quorumAtRisk(silent: readonly string[], asked: string): string {
  const [they, them] = silent.length === 1 ? ["is", "it"] : ["are", "them"];
  return `${asked}: no majority would be left, since ${silent.join(", ")} ${they} not heard of; start ${them}, or remove ${them} first`;
}

function memberIds({ replica }: NodeContext): readonly string[] {
  return replica.membership.members.map(({ memberId }) => memberId);
}

/** What a failed store means for a read that was under way. */
export function storeFailure(failure: StoreFailure): CallFailure {
  return failure.dataLoss
    ? new CallFailure(ErrorReason.DATA_LOSS, "a checksum or continuity error was found on disk", {
        cause: failure,
      })
    : new CallFailure(ErrorReason.STORE_LOST, "the node's store failed", { cause: failure });
}

/** Told by its shape, since only the types of the replica may be known here. */
export function isStoreFailure(error: unknown): error is StoreFailure {
  return error instanceof Error && error.name === "StoreFailure" && "dataLoss" in error;
}

/** The namespace was truncated or compacted after the read had taken its revision: the same call made again reads the new state. */
export function readExpired(): CallFailure {
  return new CallFailure(
    ErrorReason.SCAN_CUT,
    "what was read was truncated or compacted meanwhile; ask again",
  );
}

/** Told by its name, like isStoreFailure. */
export function isReadExpired(error: unknown): boolean {
  return error instanceof Error && error.name === "ReadExpired";
}

/** An installed snapshot took the place of the state that was being read. Told by its name, like isStoreFailure. */
export function isStateReplaced(error: unknown): boolean {
  return error instanceof Error && error.name === "StateReplaced";
}

export function stateReplaced(): CallFailure {
  return new CallFailure(
    ErrorReason.SCAN_CUT,
    "the state was replaced by a snapshot while it was read; ask again, or go on from the cursor where there is one",
  );
}
