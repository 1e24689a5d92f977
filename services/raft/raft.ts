import { assert } from "#std";
import { type RaftConfig, raftConfigFault } from "./config";
import type { Configuration } from "./configuration";
import { deliver } from "./delivery";
import { hastenFirst, startElection } from "./election";
import {
  type Entry,
  type EntryId,
  type HardState,
  hardStatesEqual,
  type Index,
  type MemberId,
  type Term,
} from "./entry";
import { Member } from "./member";
import type { Message, MessageKind } from "./message";
import type {
  ProposeConfigurationOutcome,
  ProposeOutcome,
  ReadIndexOutcome,
  RestoreOutcome,
  StepOutcome,
  TransferOutcome,
} from "./outcome";
import type { Persisted, Ready, SoftState } from "./ready";
import type { RaftStatus } from "./status";

/** What persisted() must know of a Ready that is being stored. */
interface OutstandingReady {
  readonly number: number;
  /** The last of its entries, for comparison with what the caller reports. */
  readonly lastEntry: EntryId | null;
  /** The end of the log when it was taken: durable when it and all before it are, if nothing was replaced since. */
  readonly lastUndurable: EntryId | null;
  readonly term: Term;
  readonly toSelf: readonly Message[];
}

/**
 * One member of a Raft group: a pure, synchronous state machine. Calls tell it what happened; what is to be done about
 * it comes out of takeReady(). Time is tick(), chance the config's generator, so equal calls give equal effects.
 *
 * No call may be made from within another.
 */
export class Raft {
  private readonly member: Member;
  private softState: SoftState;
  private hardState: HardState;
  private readyCount = 0;
  private readonly outstanding: OutstandingReady[] = [];

  /** Starts as a follower. The config must be without a raftConfigFault(). */
  constructor(config: RaftConfig) {
    const fault = raftConfigFault(config);
    assert(fault === null, `the config is sound, but ${fault?.field} ${fault?.problem}`);
    this.member = new Member(config);
    this.softState = { role: "follower", leaderId: null };
    const { hardState } = this.member;
    // A term that came with a snapshot has to be stored; what was only applied need not be known as committed.
    this.hardState = hardState.term === config.hardState.term ? hardState : config.hardState;
  }

  /** Time passes: one of the ticks that the config's timeouts are counted in. */
  tick(): void {
    this.member.role.tick();
  }

  /**
   * Takes a message that is addressed to this member and well-formed (see messageFault). Whether its sender is a member
   * at all is the transport's to check, by isMember(): the core answers strangers' requests, as etcd-io/raft does, for a
   * member may hear of the newest configuration last.
   */
  step(message: Message): StepOutcome {
    const { member } = this;
    if (isResponse[message.kind] && !member.membership.isMember(message.from)) return "unknown_peer";
    return deliver(member, message);
  }

  /**
   * Appends commands, at least one, to the log of this leader, all or none, in their order. The bytes are kept, not
   * copied. Whether they are committed shows in committedEntries, where an entry of another term at their index means
   * that they never will be.
   */
  propose(data: readonly Uint8Array[]): ProposeOutcome {
    return this.member.role.propose(data.map((bytes) => ({ kind: "normal", data: bytes })));
  }

  /**
   * Appends a change of the configuration to the log of this leader: `data` is a command, at least one byte, that says
   * `next` to whoever applies it. One at a time, and none before everything that this leader found in its log is applied.
   *
   * An entry without data is one that a leader proposes by itself, to leave a joint configuration whose autoLeave is set.
   */
  proposeConfiguration(next: Configuration, data: Uint8Array): ProposeConfigurationOutcome {
    assert(data.length > 0, "a change of the configuration carries a command");
    return this.member.role.proposeConfiguration(next, data);
  }

  /**
   * The entry that makes this the configuration is applied; called before applied() of its index, or of one after it. A
   * leader that votes no longer bids another to campaign, and follows.
   */
  applyConfiguration(next: Configuration): void {
    this.member.configure(next);
  }

  /**
   * A state that has applied `last` was installed, durably, and is in use: what it holds is committed and applied here.
   * Before this, the stored log was reset to `last` unless it holds that entry; entries that follow it are kept. Nothing
   * may be outstanding, neither a Ready nor entries to apply that the caller still means to report, and this member may
   * not lead. "stale" changes nothing: the log is committed as far already.
   */
  restore(snapshot: { readonly last: EntryId; readonly configuration: Configuration }): RestoreOutcome {
    assert(this.outstanding.length === 0, "nothing is being stored while a state is installed");
    return this.member.restore(snapshot.last, snapshot.configuration) ? "restored" : "stale";
  }

  /** Whether this member's disk is nearly full: its leader shows it in the status, and does nothing else about it. */
  setLowOnSpace(isLow: boolean): void {
    this.member.isLowOnSpace = isLow;
  }

  /**
   * Asks for an index that a linearizable read must wait for (thesis 6.4), here or at the leader. The answer is a read
   * state with the same context, which the caller chooses so that it never repeats on this member. None comes when the
   * leader or its term is lost, so the caller asks again.
   */
  readIndex(context: string): ReadIndexOutcome {
    return this.member.role.readIndex(context);
  }

  /** Campaigns now instead of after the election timeout, if this member is a voter and does not lead. */
  campaign(): void {
    startElection(this.member, this.member.config.preVote ? "pre_election" : "election");
  }

  /** Asks the leader, this member or another, to hand leadership to `target`. Proposals are refused until it ends. */
  transferLeadership(target: MemberId): TransferOutcome {
    return this.member.role.transferLeadership(target);
  }

  /**
   * A follower's hint that its leader is probably gone, such as a broken stream: it keeps its term but no longer
   * refuses to vote out of loyalty. It follows the leader again at the next message from it.
   */
  forgetLeader(): void {
    this.member.role.forgetLeader();
  }

  /**
   * The connection to that member was reset, as when its process ends; not when it is merely silent. A follower forgets a
   * leader that it lost so, and asks after a few ticks whether it would win an election. Where the leader lives it is
   * followed again at the next message from it, and the others, which hear it, leave the question unanswered.
   */
  reportReset(id: MemberId): void {
    this.member.role.onReset(id);
  }

  /**
   * To be called once when this member has just started and can reach others: a follower that hears of no leader within a
   * few heartbeats asks whether it would win an election, rather than after a whole election timeout. Means nothing without
   * pre-votes, nor with lease reads, whose leader counts on a promise that a start forgets.
   */
  reportStarted(): void {
    hastenFirst(this.member);
  }

  /** A message to that member was lost or could not be sent: a leader finds out anew what the member holds. */
  reportUnreachable(id: MemberId): void {
    this.member.role.onUnreachable(id);
  }

  /**
   * Whether followers could commit more than they were told to and no entries follow that would tell them. Only without
   * the config's tellsCommitAtOnce, and never while more is on its way to be committed.
   */
  get hasCommitToTell(): boolean {
    return this.member.role.hasCommitToTell;
  }

  /** Sends the commit index to those to whom it is news. What goes to them later would have told them as well. */
  tellCommit(): void {
    this.member.role.tellCommit();
  }

  /** Whether takeReady() would return anything. */
  hasReady(): boolean {
    const { member } = this;
    return (
      !member.outbox.isEmpty ||
      member.log.hasEntriesToStore ||
      member.log.hasEntriesToApply ||
      member.readStates.length > 0 ||
      member.snapshotOffer !== null ||
      this.isSoftStateNew() ||
      !hardStatesEqual(member.hardState, this.hardState)
    );
  }

  /** Takes the effects that have come together since the last Ready, which may still be outstanding. */
  takeReady(): Ready {
    const { member } = this;
    const { log } = member;
    const entries = log.takeEntriesToStore();
    const committedEntries = log.takeEntriesToApply();
    const { early, late, toSelf } = member.outbox.take();
    const { readStates } = member;
    if (readStates.length > 0) member.readStates = [];
    const { snapshotOffer } = member;
    member.snapshotOffer = null;

    const softState = this.isSoftStateNew() ? currentSoftState(member) : null;
    if (softState !== null) this.softState = softState;
    const before = this.hardState;
    const now = member.hardState;
    const hardState = hardStatesEqual(now, before) ? null : now;
    this.hardState = now;

    member.trace("Ready");
    this.readyCount += 1;
    const number = this.readyCount;
    const lastEntry = entries.at(-1);
    this.outstanding.push({
      number,
      lastEntry: lastEntry === undefined ? null : { term: lastEntry.term, index: lastEntry.index },
      lastUndurable: log.lastUndurable,
      term: member.term,
      toSelf,
    });
    return {
      number,
      softState,
      hardState,
      entries,
      messages: early,
      messagesAfterPersist: late,
      committedEntries,
      readStates,
      snapshotOffer,
      mustSync: entries.length > 0 || now.term !== before.term || now.vote !== before.vote,
    };
  }

  /**
   * What that Ready and all before it asked to store is durable: only now this member's own votes and acknowledgements
   * count. Reports come in the order of the Readys; one may stand for several that were stored together.
   */
  persisted({ readyNumber, last }: Persisted): void {
    const at = readyNumber - (this.readyCount - this.outstanding.length) - 1;
    const named = this.outstanding[at];
    assert(named !== undefined, "a Ready becomes durable once, after it was taken");
    assert(named.number === readyNumber, "outstanding Readys have consecutive numbers");
    assert(
      named.lastEntry?.index === last?.index,
      "the last durable entry has the index that was to be stored",
    );
    assert(named.lastEntry?.term === last?.term, "the last durable entry has the term that was to be stored");
    for (const ready of this.outstanding.splice(0, at + 1)) this.onDurable(ready);
  }

  /** Everything up to `index`, an index that was handed out in committedEntries, is applied. Never falls. */
  applied(index: Index): void {
    const payloadBytes = this.member.log.appliedTo(index);
    this.member.role.onApplied(payloadBytes);
  }

  /** Whether that id is a voter or learner of the configuration. */
  isMember(id: MemberId): boolean {
    return this.member.membership.isMember(id);
  }

  status(): RaftStatus {
    const { member } = this;
    return {
      id: member.id,
      role: member.role.name,
      term: member.term,
      vote: member.vote,
      leaderId: member.leaderId,
      commit: member.log.commit,
      applied: member.log.applied,
      firstIndex: member.log.firstIndex,
      last: member.log.last,
      configuration: member.membership.configuration,
      transferTarget: member.role.transferTarget,
      hasLease: member.role.hasLease,
      leaseReads: member.leaseReads,
      randomizedElectionTicks: member.randomizedElectionTicks,
      progress: member.role.progressStatus(),
    };
  }

  /** For tests: every entry that the log holds, those included that are not stored yet. */
  logEntries(): readonly Entry[] {
    const { log } = this.member;
    const entries = log.entriesFrom(log.firstIndex, Number.POSITIVE_INFINITY);
    assert(entries !== "compacted", "a log holds its first entry");
    return entries;
  }

  /** For tests: the length of the present election timeout. It is drawn anew when a term or a role begins. */
  setRandomizedElectionTicks(ticks: number): void {
    assert(Number.isSafeInteger(ticks) && ticks > 0, "a timeout is a whole number of ticks");
    this.member.randomizedElectionTicks = ticks;
  }

  private onDurable(ready: OutstandingReady): void {
    const { member } = this;
    // Before the tail lets go of the entries: counting them looks up their terms.
    for (const message of ready.toSelf) deliver(member, message);
    // In another term other writes may be under way that replace these entries in the store, even by their likes, so the
    // tail keeps them until a Ready of the present term is durable (etcd-io/raft, rawnode.go: the ABA race).
    if (ready.lastUndurable !== null && ready.term === member.term)
      member.log.dropDurable(ready.lastUndurable);
  }

  private isSoftStateNew(): boolean {
    const { leaderId, role } = this.member;
    return this.softState.leaderId !== leaderId || this.softState.role !== role.name;
  }
}

/** Answers of strangers are dropped: they answer nothing that was sent to a member of this configuration. */
const isResponse = {
  append: false,
  append_response: true,
  pre_vote: false,
  pre_vote_response: true,
  vote: false,
  vote_response: true,
  heartbeat: false,
  heartbeat_response: true,
  propose: false,
  read_index: false,
  read_index_response: true,
  transfer_leadership: false,
  timeout_now: false,
  snapshot: false,
} as const satisfies Record<MessageKind, boolean>;

function currentSoftState({ leaderId, role }: Member): SoftState {
  return { role: role.name, leaderId };
}
