import {
  type ConfigurationState,
  changeMembershipCommand,
  encodeCommand,
  type MemberInfo,
  type MembershipState,
  updateMemberCommand,
} from "#kv";
import type { MemberId, Raft } from "#raft";
import { unreachable } from "#std";
import { membershipPlan } from "./membership-keeper";
import type { MemberAddresses } from "./options";
import type { MembershipOutcome, MembershipRequest, SubmitOutcome, UnknownReason } from "./outcome";
import type { Clock } from "./ports";
import { notApplied, type Proposals } from "./proposals";

export interface MembershipChangesParts {
  readonly raft: Raft;
  readonly proposals: Proposals;
  readonly clock: Clock;
  readonly membership: () => MembershipState;
  readonly leaderId: () => MemberId | null;
  /** Where a member says itself that it is reached, while the leader hears of it; null where it does not say. */
  readonly ownAddresses: (memberId: MemberId) => MemberAddresses | null;
  readonly submit: (command: Uint8Array) => Promise<SubmitOutcome>;
  /** Carries out what the core asks for. */
  readonly planTurn: () => void;
}

/** Changes of the membership on their way from a request to a configuration that is in force and not joint. */
export class MembershipChanges {
  private readonly waiting = new Set<(end: UnknownReason | null) => void>();

  constructor(private readonly parts: MembershipChangesParts) {}

  /** To be called on the leader, when all that came before is in its log. */
  async carryOut(request: MembershipRequest): Promise<MembershipOutcome> {
    const { raft, clock, membership, submit } = this.parts;
    const plan = membershipPlan(request, membership(), raft.status());
    switch (plan.kind) {
      case "configuration":
        return this.completed(await this.propose(plan.configuration, plan.members));
      case "update":
        if (request.kind === "update") {
          const fault = this.contradiction(request);
          if (fault !== null) return { kind: "invalid", fault };
        }
        return this.completed(await submit(encodeCommand(updateMemberCommand(plan.member, clock.wallMs()))));
      default:
        return plan;
    }
  }

  /** The membership has changed. */
  changed(): void {
    if (this.isJoint) return;
    this.settle(null);
  }

  /** This replica hears no more of what is under way. */
  settleAll(reason: UnknownReason): void {
    this.settle(reason);
  }

  private settle(end: UnknownReason | null): void {
    for (const resolve of this.waiting) resolve(end);
    this.waiting.clear();
  }

  /** What a member says of itself would be recorded again at once: so it has to be told, not the cluster. */
  private contradiction(request: Extract<MembershipRequest, { kind: "update" }>): string | null {
    const { memberId, clientAddress, peerAddress } = request;
    const own = this.parts.ownAddresses(memberId);
    if (own === null) return null;
    if (clientAddress !== null && clientAddress !== own.clientAddress) {
      return `client_address: ${memberId} says itself that it is reached at ${own.clientAddress}: start it with another --advertise-client`;
    }
    if (peerAddress !== null && peerAddress !== own.peerAddress) {
      return `peer_address: ${memberId} says itself that it is reached at ${own.peerAddress}: start it with another --advertise-peer`;
    }
    return null;
  }

  private get isJoint(): boolean {
    return this.parts.membership().configuration.votersOutgoing.length > 0;
  }

  private propose(
    configuration: ConfigurationState,
    members: readonly MemberInfo[],
  ): Promise<SubmitOutcome | MembershipOutcome> {
    const { raft, proposals, clock, leaderId, planTurn } = this.parts;
    const data = encodeCommand(changeMembershipCommand(configuration, members, clock.wallMs()));
    const outcome = raft.proposeConfiguration(configuration, data);
    switch (outcome.kind) {
      case "accepted":
        planTurn();
        return new Promise((settle) => proposals.placed([{ data, settle }], outcome.first));
      case "configuration_pending":
        return Promise.resolve({ kind: "changing" });
      case "configuration_fault":
        return Promise.resolve({ kind: "invalid", fault: outcome.fault });
      case "not_leader":
        return Promise.resolve({ kind: "not_leader", leaderId: outcome.leaderId });
      case "full":
        return Promise.resolve(notApplied("backlog_full", leaderId()));
      case "transferring":
        return Promise.resolve(notApplied("transferring", outcome.target));
      default:
        return unreachable(outcome);
    }
  }

  private async completed(outcome: SubmitOutcome | MembershipOutcome): Promise<MembershipOutcome> {
    if (outcome.kind !== "applied") return outcome;
    const { result } = outcome.answer;
    if (result?.$case === "refused") return { kind: "invalid", fault: result.value.message };
    // Whoever leads leaves a joint configuration, and every member applies that.
    if (this.isJoint) {
      const end = await new Promise<UnknownReason | null>((resolve) => this.waiting.add(resolve));
      if (end !== null) return { kind: "unknown", reason: end };
    }
    return { kind: "changed", membership: this.parts.membership() };
  }
}
