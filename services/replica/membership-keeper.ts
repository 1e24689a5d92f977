import {
  type ConfigurationState,
  type MemberInfo,
  type MemberState,
  type MembershipState,
  PRIORITY_DEFAULT,
} from "#kv";
import {
  changedConfiguration,
  type MemberChange,
  type MemberId,
  type ProgressStatus,
  type RaftStatus,
} from "#raft";
import type { MembershipOutcome, MembershipRequest } from "./outcome";

/** How many entries a learner may lack and still be made a voter: what it gets within a heartbeat or so. */
const CATCH_UP_LAG_MAX = 256;
const MEMBERS_MAX = 31;

/** What a leader knows of the others. */
type LeaderView = Pick<RaftStatus, "progress" | "last">;

/** What is to be proposed, or why nothing is. */
export type MembershipPlan =
  | {
      readonly kind: "configuration";
      readonly configuration: ConfigurationState;
      readonly members: readonly MemberInfo[];
    }
  | { readonly kind: "update"; readonly member: MemberInfo }
  | MembershipOutcome;

/** What a leader makes of a request to change who takes part. */
export function membershipPlan(
  request: MembershipRequest,
  membership: MembershipState,
  raft: LeaderView,
): MembershipPlan {
  switch (request.kind) {
    case "add":
      return additionPlan(request, membership, raft);
    case "promote":
      return promotionPlan(request.memberId, membership, raft);
    case "remove":
      return removalPlan(request.memberId, membership, raft);
    case "update":
      return updatePlan(request, membership);
    case "change":
      return changePlan(request, membership, raft);
  }
}

/** The learner that has caught up and is to be a voter, or null. */
export function promotionDue(membership: MembershipState, raft: LeaderView): MemberId | null {
  const { configuration, members } = membership;
  if (configuration.votersOutgoing.length > 0) return null;
  for (const member of members) {
    const { memberId, promoteWhenCaughtUp } = member;
    if (!promoteWhenCaughtUp || !configuration.learners.includes(memberId)) continue;
    if (hasCaughtUp(member, raft)) return memberId;
  }
  return null;
}

function additionPlan(
  request: Extract<MembershipRequest, { kind: "add" }>,
  membership: MembershipState,
  raft: LeaderView,
): MembershipPlan {
  const { memberId, clientAddress, peerAddress, priority, replaces } = request;
  if (find(memberId, membership) !== null) return { kind: "member_exists", memberId };
  if (membership.members.length >= MEMBERS_MAX) return { kind: "too_many_members" };
  if (replaces !== null && find(replaces, membership) === null) {
    return { kind: "unknown_member", memberId: replaces };
  }
  const promoteWhenCaughtUp = request.promoteWhenCaughtUp || replaces !== null;
  const member = {
    memberId,
    clientAddress,
    peerAddress,
    priority,
    promoteWhenCaughtUp,
    replaces: replaces ?? "",
  };
  const fault = addressFault(member, membership);
  if (fault !== null) return { kind: "invalid", fault };
  return changed({ membership, raft }, [{ kind: "add_learner", id: memberId }], [member]);
}

function promotionPlan(memberId: MemberId, membership: MembershipState, raft: LeaderView): MembershipPlan {
  const member = find(memberId, membership);
  if (member === null) return { kind: "unknown_member", memberId };
  if (membership.configuration.voters.includes(memberId)) return { kind: "changed", membership };
  if (!hasCaughtUp(member, raft)) return { kind: "not_caught_up", memberId, lag: lagOf(memberId, raft) };
  const changes: MemberChange[] = [{ kind: "add_voter", id: memberId }];
  // Whoever it replaces may have been removed meanwhile.
  if (find(member.replaces, membership) !== null) changes.push({ kind: "remove", id: member.replaces });
  return changed({ membership, raft }, changes, [{ ...member, promoteWhenCaughtUp: false, replaces: "" }]);
}

function removalPlan(memberId: MemberId, membership: MembershipState, raft: LeaderView): MembershipPlan {
  if (find(memberId, membership) === null) return { kind: "unknown_member", memberId };
  const { voters } = membership.configuration;
  if (voters.length === 1 && voters[0] === memberId) return { kind: "last_voter" };
  return changed({ membership, raft }, [{ kind: "remove", id: memberId }], []);
}

function updatePlan(
  request: Extract<MembershipRequest, { kind: "update" }>,
  membership: MembershipState,
): MembershipPlan {
  const member = find(request.memberId, membership);
  if (member === null) return { kind: "unknown_member", memberId: request.memberId };
  const updated = {
    ...member,
    clientAddress: request.clientAddress ?? member.clientAddress,
    peerAddress: request.peerAddress ?? member.peerAddress,
    priority: request.priority ?? member.priority,
  };
  const fault = addressFault(updated, membership);
  return fault === null ? { kind: "update", member: updated } : { kind: "invalid", fault };
}

function changePlan(
  request: Extract<MembershipRequest, { kind: "change" }>,
  membership: MembershipState,
  raft: LeaderView,
): MembershipPlan {
  const { voters } = membership.configuration;
  const changes: MemberChange[] = [];
  const infos: MemberInfo[] = [];
  let newcomers = 0;
  for (const { kind, memberId, clientAddress, peerAddress } of request.changes) {
    const member = find(memberId, membership);
    switch (kind) {
      case "voter": {
        // A voter that has nothing yet would only take part in deciding that nothing can be decided.
        if (member === null) return { kind: "not_caught_up", memberId, lag: raft.last.index };
        if (!voters.includes(memberId) && !hasCaughtUp(member, raft)) {
          return { kind: "not_caught_up", memberId, lag: lagOf(memberId, raft) };
        }
        changes.push({ kind: "add_voter", id: memberId });
        infos.push({ ...member, promoteWhenCaughtUp: false, replaces: "" });
        break;
      }
      case "learner":
        changes.push({ kind: "add_learner", id: memberId });
        if (member !== null) {
          infos.push({ ...member, promoteWhenCaughtUp: false, replaces: "" });
          break;
        }
        newcomers += 1;
        infos.push({
          memberId,
          clientAddress,
          peerAddress,
          priority: PRIORITY_DEFAULT,
          promoteWhenCaughtUp: false,
          replaces: "",
        });
        break;
      case "remove":
        if (member === null) return { kind: "unknown_member", memberId };
        changes.push({ kind: "remove", id: memberId });
        break;
    }
  }
  if (membership.members.length + newcomers > MEMBERS_MAX) return { kind: "too_many_members" };
  for (const info of infos) {
    const fault = addressFault(info, membership);
    if (fault !== null) return { kind: "invalid", fault };
  }
  return changed({ membership, raft }, changes, infos);
}

function changed(
  { membership, raft }: { readonly membership: MembershipState; readonly raft: LeaderView },
  changes: readonly MemberChange[],
  members: readonly MemberInfo[],
): MembershipPlan {
  const present = membership.configuration;
  if (present.votersOutgoing.length > 0) return { kind: "changing" };
  const outcome = changedConfiguration(present, changes, "auto");
  if (outcome.kind !== "changed") return { kind: "invalid", fault: outcome.fault };
  const { configuration } = outcome;
  if (configuration.voters.length === 0) return { kind: "last_voter" };
  const silent = tooManySilent(present.voters, configuration.voters, raft);
  if (silent !== null) return { kind: "quorum_at_risk", silent };
  return { kind: "configuration", configuration, members };
}

/**
 * The voters to be that are not heard of (a leader hears of itself), where the others are no majority: nothing could be
 * decided any more, not even to take the change back (etcd, strict-reconfig-check). null where they are one, or where
 * those who vote stay the same.
 */
function tooManySilent(
  present: readonly MemberId[],
  next: readonly MemberId[],
  raft: LeaderView,
): readonly MemberId[] | null {
  if (next.length === present.length && next.every((id) => present.includes(id))) return null;
  const silent = next.filter((id) => heardOf(id, raft) === null);
  return (next.length - silent.length) * 2 > next.length ? null : silent;
}

/** Two services cannot be at one address: whoever connects there would meet the wrong one. */
export function addressFault(
  { memberId, clientAddress, peerAddress }: Pick<MemberInfo, "memberId" | "clientAddress" | "peerAddress">,
  { members }: MembershipState,
): string | null {
  if (clientAddress === peerAddress) return `peer_address and client_address are both ${clientAddress}`;
  for (const other of members) {
    if (other.memberId === memberId) continue;
    const taken = [other.clientAddress, other.peerAddress];
    if (taken.includes(clientAddress)) return `client_address ${clientAddress} is that of ${other.memberId}`;
    if (taken.includes(peerAddress)) return `peer_address ${peerAddress} is that of ${other.memberId}`;
  }
  return null;
}

function find(memberId: MemberId, membership: MembershipState): MemberState | null {
  return membership.members.find((member) => member.memberId === memberId) ?? null;
}

/**
 * One that never acknowledged anything has not, however short the log is; nor has one that is silent, or one whose data
 * directory is not recorded yet: what it acknowledged may have been another's, which was wiped since.
 */
function hasCaughtUp({ memberId, storeId }: MemberState, raft: LeaderView): boolean {
  const found = heardOf(memberId, raft);
  return (
    storeId !== null && found !== null && found.match > 0 && raft.last.index - found.match <= CATCH_UP_LAG_MAX
  );
}

/** How many entries it lacks; all of the log where it was not heard of lately. */
function lagOf(memberId: MemberId, raft: LeaderView): number {
  const found = heardOf(memberId, raft);
  return found === null ? raft.last.index : Math.max(0, raft.last.index - found.match);
}

function heardOf(memberId: MemberId, { progress }: LeaderView): ProgressStatus | null {
  return progress?.find(({ id, isRecentlyActive }) => id === memberId && isRecentlyActive) ?? null;
}
