import { unreachable } from "#std";
import { campaign, onRefusal, tickElection } from "./election";
import type { MemberId } from "./entry";
import type { Member } from "./member";
import type { PreVoteResponseMessage, VoteResponseMessage } from "./message";
import type {
  ProposeConfigurationOutcome,
  ProposeOutcome,
  ReadIndexOutcome,
  StepOutcome,
  TransferOutcome,
} from "./outcome";
import { voteResult } from "./quorum";
import type { Role, RoleMessage } from "./role";

/** A member that asks for votes; a pre-candidate asks whether it would get them (Raft paper, 5.2; thesis 9.6). */
export class Candidate implements Role {
  readonly transferTarget = null;
  readonly hasCommitToTell = false;
  readonly hasLease = false;
  private readonly votes = new Map<MemberId, boolean>();

  constructor(
    private readonly member: Member,
    readonly name: "candidate" | "pre_candidate",
  ) {}

  tick(): void {
    tickElection(this.member);
  }

  step(message: RoleMessage): StepOutcome {
    const { member } = this;
    switch (message.kind) {
      case "append":
      case "heartbeat":
      case "snapshot":
        // Someone else won this term.
        member.becomeFollower(message.term, message.from);
        return member.role.step(message);
      case "pre_vote_response":
        if (this.name === "pre_candidate") this.onVote(message);
        return "stepped";
      case "vote_response":
        if (this.name === "candidate") this.onVote(message);
        return "stepped";
      case "propose":
        return "proposal_dropped";
      case "append_response":
      case "heartbeat_response":
      case "read_index":
      case "read_index_response":
      case "transfer_leadership":
      case "timeout_now":
        return "stepped";
      default:
        return unreachable(message);
    }
  }

  propose(): ProposeOutcome {
    return { kind: "not_leader", leaderId: null };
  }

  proposeConfiguration(): ProposeConfigurationOutcome {
    return { kind: "not_leader", leaderId: null };
  }

  readIndex(): ReadIndexOutcome {
    return { kind: "no_leader" };
  }

  transferLeadership(): TransferOutcome {
    return { kind: "no_leader" };
  }

  forgetLeader(): void {}

  onReset(): void {}

  onUnreachable(): void {}

  onApplied(): void {}

  onConfiguration(): void {
    const { member } = this;
    if (!member.isPromotable) member.becomeFollower(member.term, null);
  }

  tellCommit(): void {}

  progressStatus(): null {
    return null;
  }

  private onVote(message: PreVoteResponseMessage | VoteResponseMessage): void {
    const { member } = this;
    onRefusal(member, message);
    if (member.log.hasUnappliedConfigurationChange()) {
      // Which votes are needed is not known before it is applied.
      member.becomeFollower(member.term, null);
      return;
    }
    // The first answer of a voter stands: a repeated message changes nothing.
    if (!this.votes.has(message.from)) this.votes.set(message.from, !message.rejected);
    const result = voteResult(member.membership.configuration, this.votes);
    switch (result) {
      case "won":
        if (this.name === "pre_candidate") campaign(member, "election");
        else member.becomeLeader();
        return;
      case "lost":
        member.becomeFollower(member.term, null);
        return;
      case "pending":
        return;
      default:
        unreachable(result);
    }
  }
}
