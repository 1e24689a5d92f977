import { assert, EMPTY_BYTES, unreachable } from "#std";
import type { Configuration } from "./configuration";
import { configurationStepFault } from "./configuration-change";
import type { Entry, EntryId, Index, MemberId } from "./entry";
import { Lease } from "./lease";
import type { Member } from "./member";
import type { AppendResponseMessage, HeartbeatResponseMessage, Proposal } from "./message";
import type {
  ProposeConfigurationOutcome,
  ProposeOutcome,
  ReadIndexOutcome,
  StepOutcome,
  TransferOutcome,
} from "./outcome";
import type { Progress } from "./progress";
import { voteResult } from "./quorum";
import { ReadQueue, type ReadRequest } from "./read-queue";
import { Replication } from "./replication";
import type { Role, RoleMessage } from "./role";
import type { ProgressStatus } from "./status";
import { traceChangeOf } from "./trace";

/** A leader orders proposals, replicates them and says what is committed (Raft paper, 5.3, 5.4; thesis 3.10, 6.4). */
export class Leader implements Role {
  readonly name = "leader";
  private readonly replication: Replication;
  private readonly reads: ReadQueue;
  private readonly lease: Lease | null;
  private heartbeatElapsedTicks = 0;
  private target: MemberId | null = null;
  /** Up to where tellCommit() has told: whom it did not reach hears of it by a heartbeat. */
  private toldCommit: Index = 0;
  /** An estimate, never too high: entries of earlier terms are not counted when they come, but when they go. */
  private uncommittedBytes = 0;
  /**
   * The last entry that may change the configuration: until it is applied no other is proposed, so that each change is
   * checked against the configuration that it will follow. A new leader's log may hold one anywhere (thesis 4.1;
   * etcd-io/raft, pendingConfIndex).
   */
  private pendingConfigurationIndex: Index;

  constructor(private readonly member: Member) {
    this.pendingConfigurationIndex = member.log.lastIndex;
    this.replication = new Replication(member);
    const { lease, waitingReadsMax } = member.config;
    this.reads = new ReadQueue(member.id, waitingReadsMax);
    this.lease = lease === null ? null : new Lease(member.id, lease, lease.clock);
  }

  /** Begins the term with an empty entry: committing it commits what earlier leaders left (Raft paper, 5.4.2 and 8). */
  begin(): void {
    this.append([{ kind: "normal", data: EMPTY_BYTES }]);
    this.replication.broadcastAppend();
  }

  get transferTarget(): MemberId | null {
    return this.target;
  }

  get hasLease(): boolean {
    return this.lease?.isHeld ?? false;
  }

  tick(): void {
    const { member } = this;
    const { config } = member;
    this.heartbeatElapsedTicks += 1;
    member.electionElapsedTicks += 1;
    if (member.electionElapsedTicks >= config.electionTicks) {
      member.electionElapsedTicks = 0;
      if (config.checkQuorum && !this.hasActiveQuorum()) {
        member.becomeFollower(member.term, null);
        return;
      }
      // A target that has not taken over in an election timeout never will: proposals go on (thesis 3.10).
      this.target = null;
    }
    if (this.heartbeatElapsedTicks >= config.heartbeatTicks) {
      this.heartbeatElapsedTicks = 0;
      this.replication.broadcastHeartbeat(this.reads.latestSequence, this.lease?.ask() ?? null);
      // It may have been refused while leadership was to be handed over.
      this.leaveJoint();
    }
  }

  step(message: RoleMessage): StepOutcome {
    switch (message.kind) {
      case "append_response":
        this.onAppendResponse(message);
        return "stepped";
      case "heartbeat_response":
        this.onHeartbeatResponse(message);
        return "stepped";
      case "propose":
        return this.onForwardedProposals(message.proposals);
      case "read_index":
        this.onRead({ from: message.from, context: message.context });
        return "stepped";
      case "transfer_leadership":
        this.transferLeadership(message.from);
        return "stepped";
      case "append":
      case "heartbeat":
      case "snapshot":
        // There is one leader a term, so no other can have sent this: whoever did is not heard.
        return "stepped";
      case "pre_vote_response":
      case "vote_response":
      case "read_index_response":
      case "timeout_now":
        return "stepped";
      default:
        return unreachable(message);
    }
  }

  propose(proposals: readonly Proposal[]): ProposeOutcome {
    assert(proposals.length > 0, "there is something to propose");
    if (this.target !== null) return { kind: "transferring", target: this.target };
    let bytes = 0;
    for (const { data } of proposals) bytes += data.length;
    // The first proposal after a quiet time is let in whatever its size: else a small bound would refuse it for ever.
    const isOver = this.uncommittedBytes + bytes > this.member.config.uncommittedBytesMax;
    if (isOver && this.uncommittedBytes > 0 && bytes > 0) return { kind: "full" };
    this.uncommittedBytes += bytes;
    const outcome = this.append(proposals);
    this.replication.broadcastAppend();
    return outcome;
  }

  proposeConfiguration(next: Configuration, data: Uint8Array): ProposeConfigurationOutcome {
    const { log, membership } = this.member;
    if (this.target !== null) return { kind: "transferring", target: this.target };
    if (this.pendingConfigurationIndex > log.applied) return { kind: "configuration_pending" };
    const fault = configurationStepFault(membership.configuration, next);
    if (fault !== null) return { kind: "configuration_fault", fault };
    const outcome = this.propose([{ kind: "conf_change_v2", data }]);
    if (outcome.kind !== "accepted") return outcome;
    this.pendingConfigurationIndex = outcome.last.index;
    this.member.trace("ChangeConf", traceChangeOf(membership.configuration, next));
    return outcome;
  }

  readIndex(context: string): ReadIndexOutcome {
    return this.onRead({ from: this.member.id, context }) === "full"
      ? { kind: "full" }
      : { kind: "accepted" };
  }

  transferLeadership(target: MemberId): TransferOutcome {
    const progress = this.replication.of(target);
    if (progress === null || progress.isLearner) return { kind: "not_a_voter" };
    if (this.target === target) return { kind: "in_progress" };
    this.target = null;
    if (target === this.member.id) return { kind: "already_leader" };
    // From now on the target has one election timeout.
    this.member.restartElectionTimeout();
    this.target = target;
    if (progress.match === this.member.log.lastIndex) this.sendTimeoutNow(target);
    else this.replication.sendAppend(target, progress);
    return { kind: "started" };
  }

  forgetLeader(): void {}

  onReset(id: MemberId): void {
    // It may be gone, and reads must not wait for it.
    this.replication.answerOrder.lost(id);
    if (this.reads.latestSequence > 0) this.replication.broadcastHeartbeat(this.reads.latestSequence);
  }

  onUnreachable(id: MemberId): void {
    const progress = this.replication.of(id);
    // What was sent ahead is probably lost, so what it holds must be found out anew.
    if (progress?.state === "replicate") progress.becomeProbe();
  }

  onApplied(payloadBytes: number): void {
    this.uncommittedBytes = Math.max(0, this.uncommittedBytes - payloadBytes);
    this.leaveJoint();
  }

  onConfiguration(): void {
    const { member, replication } = this;
    replication.configure();
    this.lease?.reconfigured();
    if (this.commitByCounting()) {
      this.startPostponedReads();
      replication.broadcastAppend();
    } else {
      // New members need not wait for a heartbeat.
      replication.broadcastEntries();
    }
    if (!member.isPromotable) {
      this.standDown();
      return;
    }
    if (this.target !== null && !member.membership.isVoter(this.target)) this.target = null;
    this.answerConfirmedReads();
  }

  get hasCommitToTell(): boolean {
    const { log } = this.member;
    // While more is on its way to be committed, the word of that will say it all.
    if (log.commit <= this.toldCommit || log.commit < log.lastIndex) return false;
    return this.replication.hasCommitToTell;
  }

  tellCommit(): void {
    this.toldCommit = this.member.log.commit;
    this.replication.tellCommit();
  }

  progressStatus(): readonly ProgressStatus[] {
    const { id, isLowOnSpace } = this.member;
    const own = this.replication.of(id);
    if (own !== null) own.isLowOnSpace = isLowOnSpace;
    return this.replication.status();
  }

  private onForwardedProposals(proposals: readonly Proposal[]): StepOutcome {
    // A change of the configuration must be checked against the present one, which its entry does not tell.
    if (proposals.some(({ kind }) => kind !== "normal")) return "proposal_dropped";
    return this.propose(proposals).kind === "accepted" ? "stepped" : "proposal_dropped";
  }

  private append(proposals: readonly Proposal[]): ProposeOutcome & { readonly kind: "accepted" } {
    const { id, log, outbox, term } = this.member;
    const firstIndex = log.lastIndex + 1;
    const entries = proposals.map<Entry>(({ kind, data }, at) => ({
      term,
      index: firstIndex + at,
      kind,
      data,
    }));
    log.append(entries);
    for (const { kind } of entries) if (kind === "normal") this.member.trace("Replicate");
    const index = log.lastIndex;
    // The leader acknowledges its own entries like any other member: when they are durable, by persisted().
    outbox.send({ kind: "append_response", from: id, to: id, term, index, hint: null });
    return { kind: "accepted", first: { term, index: firstIndex }, last: { term, index } };
  }

  private onAppendResponse(message: AppendResponseMessage): void {
    const progress = this.replication.of(message.from);
    if (progress === null) return;
    progress.isRecentlyActive = true;
    if (message.hint === null) this.onAcknowledged(message.from, progress, message.index);
    else this.onRejected(message, progress, message.hint);
  }

  private onRejected(message: AppendResponseMessage, progress: Progress, hint: EntryId): void {
    // Where this log has a greater term than the follower's hint, the logs cannot meet; with a term to go by, a probe
    // is spent on each term at most instead of on each entry (etcd-io/raft, raft.go).
    const guess = hint.term > 0 ? this.member.log.conflictHint(hint.index, hint.term).index : hint.index;
    if (!progress.onRejected(message.index, guess)) return;
    if (progress.state === "replicate") progress.becomeProbe();
    this.replication.sendAppend(message.from, progress);
  }

  private onAcknowledged(from: MemberId, progress: Progress, index: Index): void {
    const { config, id, log } = this.member;
    // Nobody can hold more of this term's log than its leader: whoever says so is broken and must not be counted.
    if (index > log.lastIndex) return;
    // A probe that is answered with nothing new still shows that the logs meet, so it ends the probing.
    const endsProbe = progress.state === "probe" && progress.match === index;
    if (!progress.onAcknowledged(index) && !endsProbe) return;
    this.resumeFlow(progress, index);
    const isSelf = from === id;
    // Of a change that takes a member away that one hears now or never: once it is applied here nothing goes there.
    const isTold = config.tellsCommitAtOnce || this.pendingConfigurationIndex > log.applied;
    if (this.commitByCounting()) {
      this.startPostponedReads();
      if (isTold) this.replication.broadcastAppend();
    } else if (isTold && !isSelf && progress.canBumpCommit(log.commit)) {
      this.replication.sendAppend(from, progress);
    }
    if (isSelf) return;
    this.replication.sendAllEntries(from, progress);
    if (from === this.target && progress.match === log.lastIndex) this.sendTimeoutNow(from);
  }

  private resumeFlow(progress: Progress, index: Index): void {
    switch (progress.state) {
      case "probe":
        progress.becomeReplicate();
        return;
      case "replicate":
        progress.inflights.freeUpTo(index);
        return;
      case "snapshot":
        // However it got there, the follower can go on from the log.
        if (progress.match + 1 >= this.member.log.firstIndex) {
          progress.becomeProbe();
          progress.becomeReplicate();
        }
        return;
      default:
        unreachable(progress.state);
    }
  }

  private onHeartbeatResponse(message: HeartbeatResponseMessage): void {
    const progress = this.replication.of(message.from);
    if (progress === null) return;
    progress.isRecentlyActive = true;
    progress.isLowOnSpace = message.lowOnSpace;
    this.replication.answerOrder.answered(message.from);
    const { pledgedRound = 0 } = message;
    if (pledgedRound > 0)
      this.lease?.pledgedBy(message.from, pledgedRound, this.member.membership.configuration);
    if (progress.isAnswerDue || this.member.config.readsAsk === "all")
      this.speakAgain(message.from, progress);
    if (message.readSequence === 0) return;
    this.reads.confirm(message.from, message.readSequence);
    this.answerConfirmedReads();
  }

  /**
   * A follower that is behind, or whose place is not known, is spoken to again in case the last message was lost; an offer may
   * also have been forgotten in a crash.
   */
  private speakAgain(id: MemberId, progress: Progress): void {
    progress.isAnswerDue = false;
    progress.isFlowPaused = false;
    if (progress.state === "snapshot") {
      this.replication.sendSnapshot(id, progress);
    } else if (progress.match < this.member.log.lastIndex || progress.state === "probe") {
      this.replication.sendAppend(id, progress);
    }
  }

  private answerConfirmedReads(): void {
    const { configuration } = this.member.membership;
    for (const read of this.reads.takeConfirmed(configuration)) this.answerRead(read, read.index);
  }

  /** Commits what a quorum holds, if it is of this term: only then can no later leader lack it (Raft paper, figure 8). */
  private commitByCounting(): boolean {
    const { log, term } = this.member;
    const isCommitted = log.commitByCounting({ term, index: this.replication.quorumMatch });
    if (isCommitted) this.member.trace("Commit");
    return isCommitted;
  }

  private onRead(request: ReadRequest): "accepted" | "full" {
    const { log, membership, term } = this.member;
    const isCurrent = log.hasCommittedIn(term);
    if (isCurrent && membership.isSingleVoter) {
      this.answerRead(request, log.commit);
      return "accepted";
    }
    // The clock is read after the read was asked for: what was committed by then, no other than this leader committed.
    if (isCurrent && this.hasLease) {
      this.member.leaseReads += 1;
      this.answerRead(request, log.commit);
      return "accepted";
    }
    if (this.reads.isFull) return "full";
    if (isCurrent) this.startReads([request]);
    else this.reads.postpone(request);
    return "accepted";
  }

  private startPostponedReads(): void {
    const { log, membership, term } = this.member;
    const requests = this.reads.takePostponed();
    if (requests.length === 0) return;
    assert(log.hasCommittedIn(term), "postponed reads start once an entry of the term is committed");
    if (membership.isSingleVoter) {
      for (const request of requests) this.answerRead(request, log.commit);
    } else {
      this.startReads(requests);
    }
  }

  /** One round of heartbeats asks for all of them whether this member still leads. */
  private startReads(requests: readonly ReadRequest[]): void {
    const { config, log } = this.member;
    for (const request of requests) this.reads.add(request, log.commit);
    const { latestSequence } = this.reads;
    if (config.readsAsk === "all") this.replication.broadcastHeartbeat(latestSequence);
    // Whoever asked is alive, and hears so of the commit index that it has to wait for.
    else
      this.replication.askQuorum(
        requests.map(({ from }) => from),
        latestSequence,
      );
  }

  private answerRead({ from, context }: ReadRequest, index: Index): void {
    const { id, outbox, readStates, term } = this.member;
    if (from === id) readStates.push({ index, context });
    else outbox.send({ kind: "read_index_response", from: id, to: from, term, index, context });
  }

  private hasActiveQuorum(): boolean {
    const isActive = voteResult(this.member.membership.configuration, this.replication.activity) === "won";
    this.replication.forgetActivity();
    return isActive;
  }

  /** Proposes to leave a joint configuration that is to be left by itself, once it is in force everywhere it must be. */
  private leaveJoint(): void {
    const { log, membership } = this.member;
    if (!membership.configuration.autoLeave || this.pendingConfigurationIndex > log.applied) return;
    const outcome = this.propose([{ kind: "conf_change_v2", data: EMPTY_BYTES }]);
    if (outcome.kind === "accepted") this.pendingConfigurationIndex = outcome.last.index;
  }

  /**
   * A leader that was removed, or learns, leads no longer. Whoever holds the most takes over at once, and hears first of
   * the commit index: it may need this member's vote in the configuration that it knows (thesis 4.2.2, 4.2.3).
   */
  private standDown(): void {
    const { member, replication } = this;
    const successor = replication.bestVoter(this.target);
    const progress = successor === null ? null : replication.of(successor);
    if (successor !== null && progress !== null) {
      if (progress.canBumpCommit(member.log.commit)) replication.sendAppend(successor, progress);
      this.sendTimeoutNow(successor);
    }
    member.becomeFollower(member.term, null);
  }

  private sendTimeoutNow(to: MemberId): void {
    const { id: from, outbox, term } = this.member;
    // Whoever is asked for its vote then breaks its pledge.
    this.lease?.giveUp();
    outbox.send({ kind: "timeout_now", from, to, term });
  }
}
