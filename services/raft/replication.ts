import { assert } from "#std";
import { AnswerOrder } from "./answer-order";
import { type Index, type MemberId, payloadBytes } from "./entry";
import type { Member } from "./member";
import type { PledgeRequest } from "./message";
import { Progress } from "./progress";
import { committedIndex, voteResult } from "./quorum";
import type { ProgressStatus } from "./status";

/** A leader's sending side: what each member holds, and what to send to it next. Visits members in sorted order. */
export class Replication {
  /** Who answered heartbeats first. */
  readonly answerOrder = new AnswerOrder();
  private progressOf: ReadonlyMap<MemberId, Progress>;

  constructor(private readonly member: Member) {
    const { log, membership } = member;
    const progressOf = new Map<MemberId, Progress>();
    for (const id of membership.memberIds) {
      const progress = this.unknown(id, {
        match: id === member.id ? log.lastIndex : 0,
        next: log.lastIndex + 1,
      });
      if (id === member.id) {
        progress.becomeReplicate();
        progress.isRecentlyActive = true;
      }
      progressOf.set(id, progress);
    }
    this.progressOf = progressOf;
  }

  /** Forgets whoever is no member any more, and begins anew with who is one again. */
  configure(): void {
    const { log, membership } = this.member;
    const progressOf = new Map<MemberId, Progress>();
    for (const id of membership.memberIds) {
      const known = this.progressOf.get(id);
      const progress = known ?? this.unknown(id, { match: 0, next: Math.max(log.lastIndex, 1) });
      // Nobody can have heard of a new member yet: to take it for silent could depose this leader (etcd-io/raft,
      // confchange.go).
      if (known === undefined) progress.isRecentlyActive = true;
      progress.isLearner = !membership.isVoter(id);
      progressOf.set(id, progress);
    }
    this.progressOf = progressOf;
  }

  of(id: MemberId): Progress | null {
    return this.progressOf.get(id) ?? null;
  }

  /** Up to where a quorum holds this leader's log. */
  get quorumMatch(): Index {
    return committedIndex(this.member.membership.configuration, (id) => this.progressOf.get(id)?.match ?? 0);
  }

  get activity(): ReadonlyMap<MemberId, boolean> {
    const activity = new Map<MemberId, boolean>();
    for (const [id, progress] of this.progressOf) activity.set(id, progress.isRecentlyActive);
    return activity;
  }

  forgetActivity(): void {
    for (const [id, progress] of this.progressOf) {
      if (id !== this.member.id) progress.forgetActivity();
    }
  }

  /**
   * The voter, of those that were heard of lately, that is known to hold the most; the first of equals, but `preferred`
   * before them. null when there is none.
   */
  bestVoter(preferred: MemberId | null): MemberId | null {
    let best: MemberId | null = null;
    let match = -1;
    for (const id of this.member.membership.configuration.voters) {
      const progress = this.progressOf.get(id);
      if (id === this.member.id || progress === undefined || !progress.isHeardOf) continue;
      if (progress.match < match || (progress.match === match && id !== preferred)) continue;
      best = id;
      match = progress.match;
    }
    return best;
  }

  /** Sends each member what it needs next, and the commit index, even where there is nothing new. */
  broadcastAppend(): void {
    for (const [id, progress] of this.progressOf) {
      if (id !== this.member.id) this.sendAppend(id, progress);
    }
  }

  /** Whether some member could commit more than it was told to. */
  get hasCommitToTell(): boolean {
    const { id: own, log } = this.member;
    for (const [id, progress] of this.progressOf) {
      if (id !== own && !progress.isPaused && progress.canBumpCommit(log.commit)) return true;
    }
    return false;
  }

  /** Sends the commit index to whom it is news, and what else it needs. */
  tellCommit(): void {
    const { id: own, log } = this.member;
    for (const [id, progress] of this.progressOf) {
      if (id !== own && progress.canBumpCommit(log.commit)) this.sendAppend(id, progress);
    }
  }

  /** Sends entries where there are any that may be sent. */
  broadcastEntries(): void {
    for (const [id, progress] of this.progressOf) {
      if (id !== this.member.id) this.trySendAppend(id, progress, { evenIfEmpty: false });
    }
  }

  broadcastHeartbeat(readSequence: number, pledge: PledgeRequest | null = null): void {
    this.answerOrder.began();
    for (const [id, progress] of this.progressOf) {
      if (id === this.member.id) continue;
      progress.isAnswerDue = true;
      this.sendHeartbeat(id, progress, readSequence, pledge);
    }
  }

  /**
   * Asks as many members as a quorum needs beside this one: those of `wanted` in any case, then the quickest. All, while too few
   * have answered this leader yet: whom it has not heard of may be the one that died before its election.
   */
  askQuorum(wanted: readonly MemberId[], readSequence: number): void {
    const { id: own, membership } = this.member;
    const asked = new Set<MemberId>(wanted);
    const votes = new Map<MemberId, boolean>([[own, true]]);
    for (const id of asked) votes.set(id, true);
    for (const id of this.answerOrder.members) {
      if (voteResult(membership.configuration, votes) === "won") break;
      if (!membership.isVoter(id)) continue;
      asked.add(id);
      votes.set(id, true);
    }
    const isEnough = voteResult(membership.configuration, votes) === "won";
    for (const [id, progress] of this.progressOf) {
      if (id !== own && (!isEnough || asked.has(id))) this.sendHeartbeat(id, progress, readSequence);
    }
  }

  /** Sends one append message, be it empty, unless the flow to the member is paused. */
  sendAppend(id: MemberId, progress: Progress): void {
    this.trySendAppend(id, progress, { evenIfEmpty: true });
  }

  /** Sends entries as long as there are any and the window has room. */
  sendAllEntries(id: MemberId, progress: Progress): void {
    while (this.trySendAppend(id, progress, { evenIfEmpty: false })) {}
  }

  /**
   * Offers the state as it is applied now: nothing else can bring that member on. Not to a silent one, which would find
   * the entries after it gone, in turn, when it is back.
   */
  sendSnapshot(to: MemberId, progress: Progress): void {
    progress.needsSnapshot = true;
    if (!progress.isRecentlyActive) return;
    const { id: from, log, outbox, term } = this.member;
    const index = log.applied;
    const lastTerm = log.term(index);
    assert(typeof lastTerm === "number", "the log begins after no more than what is applied");
    progress.becomeSnapshot(index);
    outbox.send({ kind: "snapshot", from, to, term, last: { term: lastTerm, index } });
  }

  status(): readonly ProgressStatus[] {
    return [...this.progressOf].map(([id, progress]) => progress.status(id));
  }

  private unknown(id: MemberId, start: { readonly match: Index; readonly next: Index }): Progress {
    const { config, membership } = this.member;
    return new Progress({
      ...start,
      isLearner: !membership.isVoter(id),
      inflightMessagesMax: config.inflightMessagesMax,
      inflightBytesMax: config.inflightBytesMax,
    });
  }

  private trySendAppend(id: MemberId, progress: Progress, options: { evenIfEmpty: boolean }): boolean {
    assert(id !== this.member.id, "a leader sends no entries to itself");
    if (progress.isPaused) return false;
    const { config, log, outbox, term } = this.member;
    const index = progress.next - 1;
    const previousTerm = log.term(index);
    assert(previousTerm !== "unavailable", "a member is sent only what its leader holds");
    // With a full window an empty message still goes, as a probe: had all in flight been lost, nothing else would tell.
    const mayCarry = progress.state !== "replicate" || !progress.inflights.isFull;
    const entries = mayCarry ? log.entriesFrom(progress.next, config.appendBytesMax) : [];
    if (previousTerm === "compacted" || entries === "compacted") {
      this.sendSnapshot(id, progress);
      return false;
    }
    if (entries.length === 0 && !options.evenIfEmpty) return false;
    const commit = log.commit;
    outbox.send({
      kind: "append",
      from: this.member.id,
      to: id,
      term,
      previous: { term: previousTerm, index },
      entries,
      commit,
    });
    progress.onAppendSent({ entryCount: entries.length, bytes: payloadBytes(entries), commit });
    return true;
  }

  private sendHeartbeat(
    id: MemberId,
    progress: Progress,
    readSequence: number,
    pledge: PledgeRequest | null = null,
  ): void {
    const { log, outbox, term } = this.member;
    // A follower must not commit what it may hold in another version, so it hears of no more than is known to match.
    const commit = Math.min(progress.match, log.commit);
    outbox.send({
      kind: "heartbeat",
      from: this.member.id,
      to: id,
      term,
      commit,
      readSequence,
      ...(pledge === null ? {} : { pledge }),
    });
    progress.onHeartbeatSent(commit);
  }
}
