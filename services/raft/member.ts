import { assert } from "#std";
import { Candidate } from "./candidate";
import type { RaftConfig } from "./config";
import { type Configuration, hasNoMembers, Membership } from "./configuration";
import type { EntryId, HardState, MemberId, Term } from "./entry";
import { Follower } from "./follower";
import { Leader } from "./leader";
import { RaftLog } from "./log";
import type { Message, PledgeRequest, PreVoteMessage } from "./message";
import { Outbox } from "./outbox";
import { Pledge } from "./pledge";
import type { ReadState, SnapshotOffer } from "./ready";
import type { Role } from "./role";
import { messageEventNames, type TraceChange, type TraceEventName, traceEventOf } from "./trace";

/** One member of the group: what it keeps in every role, and the steps from one role to the next. */
export class Member {
  readonly id: MemberId;
  membership: Membership;
  readonly log: RaftLog;
  readonly outbox: Outbox;
  /** Replaced, never changed, by whoever hands them out. */
  readStates: ReadState[] = [];
  /** The latest since the last Ready. */
  snapshotOffer: SnapshotOffer | null = null;
  isLowOnSpace = false;
  /** Reads that it answered by a lease, in whatever term. */
  leaseReads = 0;
  term: Term;
  vote: MemberId | null;
  leaderId: MemberId | null = null;
  /** Ticks since this member heard from its leader, or began to campaign; on a leader, since it checked its quorum. */
  electionElapsedTicks = 0;
  randomizedElectionTicks: number;
  /** Whether that timeout was cut short, for this member has lost its leader (see election.ts). */
  isHasty = false;
  /** A question that loyalty to the leader has left unanswered, since that leader was last heard. */
  putOffPreVote: PreVoteMessage | null = null;
  role: Role;
  private readonly pledge: Pledge | null;

  constructor(readonly config: RaftConfig) {
    const { hardState, lease, log } = config;
    const snapshotIndex = log.firstIndex() - 1;
    const applied = Math.max(config.appliedIndex, snapshotIndex);
    this.id = config.id;
    this.membership = new Membership(config.configuration);
    const isTraced = config.tracer !== undefined;
    this.outbox = new Outbox(config.id, isTraced ? (message) => this.traceMessage("sent", message) : null);
    this.log = new RaftLog(log, {
      // The stored commit index is written lazily; what was applied or compacted was certainly committed.
      commit: Math.max(hardState.commit, applied),
      applied,
      applyingBytesMax: config.committedBytesPerReadyMax,
      appliesOnlyDurable: config.appliesOnlyDurable,
    });
    const { term: lastTerm } = this.log.last;
    const beginsAfterSnapshot = log.lastIndex() === snapshotIndex;
    assert(
      lastTerm <= hardState.term || hardState.term === 0 || beginsAfterSnapshot,
      "no entry is newer than the stored term",
    );
    // A state that was brought from elsewhere may be of terms that this member has not heard of: it promised nothing in
    // them. Entries of its own log would have been stored with their term. Before the first election a group may also be
    // founded on a snapshot of term 1, in which nobody led (as those of etcd-io/raft are).
    const isBehind = beginsAfterSnapshot && hardState.term < lastTerm && lastTerm > 1;
    this.term = hardState.term;
    this.vote = hardState.vote;
    if (isBehind) {
      this.term = lastTerm;
      this.vote = null;
    }
    this.pledge = lease === null ? null : new Pledge(lease, lease.clock);
    this.randomizedElectionTicks = this.drawElectionTicks();
    this.role = new Follower(this);
    this.trace("InitState");
  }

  get hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.commit };
  }

  /** Whether it may campaign: a voter of the configuration that it knows. */
  get isPromotable(): boolean {
    return this.membership.isVoter(this.id);
  }

  /** Whether, at this moment, it votes for nobody, itself included, for its leader may read by a lease. */
  get isPledged(): boolean {
    return this.pledge?.isBinding ?? false;
  }

  /** Its leader asks for a pledge. Returns the round in which it is given; 0: it is not. */
  pledgeItself(request: PledgeRequest): number {
    return this.pledge?.give(request) ?? 0;
  }

  /** Takes part in that configuration from now on. */
  configure(configuration: Configuration): void {
    assert(!hasNoMembers(configuration), "a configuration that came about has members");
    this.membership = new Membership(configuration);
    this.trace("ApplyConfChange", { changes: [], newconf: this.membership.configuration.voters });
    this.role.onConfiguration();
  }

  /** Takes over a state that has applied `last`. False where everything up to there is committed here. */
  restore(last: EntryId, configuration: Configuration): boolean {
    assert(this.role.name !== "leader", "a leader's log holds all that is committed");
    if (last.index <= this.log.commit) return false;
    // Votes were asked for in the name of a log that ended elsewhere. And a state may come from a later term than any
    // that this member was told of.
    const isBehind = this.term < last.term;
    if (isBehind || this.role.name !== "follower") this.becomeFollower(Math.max(this.term, last.term), null);
    this.log.restore(last);
    this.snapshotOffer = null;
    this.configure(configuration);
    const { id: from, leaderId: to, term } = this;
    if (to !== null) {
      this.outbox.send({ kind: "append_response", from, to, term, index: last.index, hint: null });
    }
    return true;
  }

  becomeFollower(term: Term, leaderId: MemberId | null): void {
    this.enterTerm(term);
    this.leaderId = leaderId;
    this.role = new Follower(this);
    this.trace("BecomeFollower");
  }

  /** Asks for votes without raising the term or casting its own: nothing changes that would have to be stored. */
  becomePreCandidate(): void {
    assert(this.role.name !== "leader", "a leader does not campaign");
    this.leaderId = null;
    this.role = new Candidate(this, "pre_candidate");
  }

  becomeCandidate(): void {
    assert(this.role.name !== "leader", "a leader does not campaign");
    this.enterTerm(this.term + 1);
    this.vote = this.id;
    this.role = new Candidate(this, "candidate");
    this.trace("BecomeCandidate");
  }

  becomeLeader(): void {
    assert(this.role.name === "candidate", "only a candidate becomes leader");
    assert(this.vote === this.id, "a leader voted for itself");
    this.enterTerm(this.term);
    this.leaderId = this.id;
    const leader = new Leader(this);
    this.role = leader;
    this.trace("BecomeLeader");
    leader.begin();
  }

  /** Starts the election timeout anew, keeping its length. */
  restartElectionTimeout(): void {
    this.electionElapsedTicks = 0;
  }

  /** Sets the length of the election timeout, by chance (Raft paper, 5.2), and lets it run on. */
  drawElectionTimeout(): void {
    this.isHasty = false;
    this.randomizedElectionTicks = this.drawElectionTicks();
  }

  /** A transition of this member, for the config's tracer, if there is one. */
  trace(name: TraceEventName, change: TraceChange | null = null): void {
    const { tracer } = this.config;
    if (tracer === undefined) return;
    const event = traceEventOf(this, name, null);
    tracer(change === null ? event : { ...event, prop: { cc: change } });
  }

  /** As trace(), for a message; the state is the one before a received message is looked at. */
  traceMessage(direction: "sent" | "received", message: Message): void {
    const { tracer } = this.config;
    const names = tracer === undefined ? null : messageEventNames[message.kind];
    if (tracer !== undefined && names !== null) tracer(traceEventOf(this, names[direction], message));
  }

  private enterTerm(term: Term): void {
    assert(term >= this.term, "the term never falls");
    if (term !== this.term) {
      this.term = term;
      this.vote = null;
    }
    this.leaderId = null;
    this.putOffPreVote = null;
    this.electionElapsedTicks = 0;
    this.drawElectionTimeout();
  }

  private drawElectionTicks(): number {
    // Whoever decides alone has nobody to wait for.
    if (this.isPromotable && this.membership.isSingleVoter) return 1;
    return this.config.electionTicks + this.config.random.below(this.config.electionTicks);
  }
}
