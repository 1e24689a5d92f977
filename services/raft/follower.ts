import { unreachable } from "#std";
import { answerPutOff, hasten, onRefusal, startElection, tickElection } from "./election";
import type { MemberId } from "./entry";
import type { Member } from "./member";
import type { AppendMessage, HeartbeatMessage, SnapshotMessage } from "./message";
import type {
  ProposeConfigurationOutcome,
  ProposeOutcome,
  ReadIndexOutcome,
  StepOutcome,
  TransferOutcome,
} from "./outcome";
import type { Role, RoleMessage } from "./role";

/** A follower does as its leader says, and campaigns when it hears of none (Raft paper, 5.1, 5.2). */
export class Follower implements Role {
  readonly name = "follower";
  readonly transferTarget = null;
  readonly hasCommitToTell = false;
  readonly hasLease = false;

  /**
   * The leader bade it campaign while it did not know in which configuration: for so many ticks more it still would. Later
   * the leader has given it up, or another has campaigned.
   */
  private owedTicksLeft = 0;

  constructor(private readonly member: Member) {}

  tick(): void {
    if (this.owedTicksLeft > 0) this.owedTicksLeft -= 1;
    tickElection(this.member);
  }

  step(message: RoleMessage): StepOutcome {
    const { member } = this;
    switch (message.kind) {
      case "append":
        this.heardFrom(message.from);
        this.onAppend(message);
        return "stepped";
      case "heartbeat":
        this.heardFrom(message.from);
        this.onHeartbeat(message);
        return "stepped";
      case "propose":
        if (member.leaderId === null) return "proposal_dropped";
        member.outbox.send({ ...message, to: member.leaderId });
        return "stepped";
      case "read_index":
        if (member.leaderId !== null) member.outbox.send({ ...message, to: member.leaderId });
        return "stepped";
      case "read_index_response":
        member.readStates.push({ index: message.index, context: message.context });
        return "stepped";
      case "transfer_leadership":
        this.forwardTransfer(message.from);
        return "stepped";
      case "snapshot":
        this.heardFrom(message.from);
        this.onSnapshot(message);
        return "stepped";
      case "timeout_now":
        this.onTimeoutNow();
        return "stepped";
      case "pre_vote_response":
      case "vote_response":
        onRefusal(member, message);
        return "stepped";
      case "append_response":
      case "heartbeat_response":
        // Answers to what this member sent in a role that it has left.
        return "stepped";
      default:
        return unreachable(message);
    }
  }

  propose(): ProposeOutcome {
    return { kind: "not_leader", leaderId: this.member.leaderId };
  }

  proposeConfiguration(): ProposeConfigurationOutcome {
    return { kind: "not_leader", leaderId: this.member.leaderId };
  }

  readIndex(context: string): ReadIndexOutcome {
    const { id, leaderId, outbox } = this.member;
    if (leaderId === null) return { kind: "no_leader" };
    outbox.send({ kind: "read_index", from: id, to: leaderId, term: 0, context });
    return { kind: "accepted" };
  }

  transferLeadership(target: MemberId): TransferOutcome {
    return this.forwardTransfer(target) ? { kind: "forwarded" } : { kind: "no_leader" };
  }

  forgetLeader(): void {
    // Its pledge would keep it from voting all the same, and it would only know less.
    if (this.member.config.lease !== null) return;
    this.member.leaderId = null;
  }

  onReset(id: MemberId): void {
    const { member } = this;
    if (member.leaderId !== id) return;
    this.forgetLeader();
    if (member.leaderId !== null) return;
    hasten(member, id);
    answerPutOff(member);
  }

  onUnreachable(): void {}

  onApplied(): void {
    const { member } = this;
    if (this.owedTicksLeft === 0 || member.log.hasUnappliedConfigurationChange()) return;
    this.owedTicksLeft = 0;
    startElection(member, "transfer");
  }

  onConfiguration(): void {}

  tellCommit(): void {}

  progressStatus(): null {
    return null;
  }

  private heardFrom(leaderId: MemberId): void {
    const { member } = this;
    // It lives, so the campaign that its loss would have hastened is not wanted.
    if (member.isHasty) member.drawElectionTimeout();
    member.putOffPreVote = null;
    member.restartElectionTimeout();
    member.leaderId = leaderId;
  }

  private onAppend(message: AppendMessage): void {
    const { config, id: from, log, outbox, term } = this.member;
    const to = message.from;
    const { previous } = message;
    const commitBefore = log.commit;
    if (previous.index < commitBefore) {
      // An old message: what it holds up to there is committed here, and the leader may know it.
      outbox.send({ kind: "append_response", from, to, term, index: log.commit, hint: null });
      return;
    }
    const matched = log.appendAfter(previous, message.entries, message.commit);
    if (matched !== null) {
      // Word of a commit and nothing else. A probe, or whatever a leader sends for want of an answer, is repeated with the
      // heartbeats: then it is no news any more, and is answered.
      const isOnlyNews = message.entries.length === 0 && log.commit > commitBefore;
      if (isOnlyNews && !config.tellsCommitAtOnce) return;
      outbox.send({ kind: "append_response", from, to, term, index: matched, hint: null });
      return;
    }
    // All terms of the leader's log up to `previous` are at most its term, so the logs cannot meet where this one has a
    // greater one: one answer skips that whole stretch (Raft paper, 5.3, last but one paragraph; etcd-io/raft, log.go).
    const hint = log.conflictHint(Math.min(previous.index, log.lastIndex), previous.term);
    outbox.send({ kind: "append_response", from, to, term, index: previous.index, hint });
  }

  private onHeartbeat(message: HeartbeatMessage): void {
    const { id: from, log, outbox, term } = this.member;
    log.commitTo(message.commit);
    const pledgedRound = message.pledge === undefined ? 0 : this.member.pledgeItself(message.pledge);
    outbox.send({
      kind: "heartbeat_response",
      from,
      to: message.from,
      term,
      readSequence: message.readSequence,
      lowOnSpace: this.member.isLowOnSpace,
      ...(pledgedRound === 0 ? {} : { pledgedRound }),
    });
  }

  private onSnapshot({ from: leaderId, last }: SnapshotMessage): void {
    const { id: from, log, outbox, term } = this.member;
    // Where the log holds what the state has applied, it can go on from there: the leader believed less of it than is so.
    if (last.index > log.commit && !log.matches(last)) {
      this.member.snapshotOffer = { from: leaderId, last };
      return;
    }
    log.commitTo(last.index);
    outbox.send({ kind: "append_response", from, to: leaderId, term, index: log.commit, hint: null });
  }

  private onTimeoutNow(): void {
    const { member } = this;
    // A leader that was removed hands over right after the entry that removed it is committed: whoever has not applied
    // that entry yet campaigns as soon as it has, or nobody would before an election timeout.
    if (member.log.hasUnappliedConfigurationChange()) this.owedTicksLeft = member.config.electionTicks;
    // The leader knows that this log is complete, so the round that asks first is spared (thesis 3.10).
    else startElection(member, "transfer");
  }

  private forwardTransfer(target: MemberId): boolean {
    const { leaderId, outbox, term } = this.member;
    if (leaderId === null) return false;
    outbox.send({ kind: "transfer_leadership", from: target, to: leaderId, term });
    return true;
  }
}
