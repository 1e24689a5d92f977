import { assert } from "#std";
import { type Index, type MemberId, payloadBytes } from "./entry";
import type { Member } from "./member";
import { Progress } from "./progress";
import { committedIndex } from "./quorum";
import type { ProgressStatus } from "./status";

/** A leader's sending side: what each member holds, and what to send to it next. Visits members in sorted order. */
export class Replication {
  private readonly progressOf = new Map<MemberId, Progress>();

  constructor(private readonly member: Member) {
    const { config, log, membership } = member;
    for (const id of membership.memberIds) {
      const progress = new Progress({
        match: id === member.id ? log.lastIndex : 0,
        next: log.lastIndex + 1,
        isLearner: !membership.isVoter(id),
        inflightMessagesMax: config.inflightMessagesMax,
        inflightBytesMax: config.inflightBytesMax,
      });
      if (id === member.id) {
        progress.becomeReplicate();
        progress.isRecentlyActive = true;
      }
      this.progressOf.set(id, progress);
    }
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
      if (id !== this.member.id) progress.isRecentlyActive = false;
    }
  }

  /** Sends each member what it needs next, and the commit index, even where there is nothing new. */
  broadcastAppend(): void {
    for (const [id, progress] of this.progressOf) {
      if (id !== this.member.id) this.sendAppend(id, progress);
    }
  }

  broadcastHeartbeat(readSequence: number): void {
    for (const [id, progress] of this.progressOf) {
      if (id !== this.member.id) this.sendHeartbeat(id, progress, readSequence);
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

  status(): readonly ProgressStatus[] {
    return [...this.progressOf].map(([id, progress]) => progress.status(id));
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
      progress.becomeOutOfReach(log.firstIndex);
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

  private sendHeartbeat(id: MemberId, progress: Progress, readSequence: number): void {
    const { log, outbox, term } = this.member;
    // A follower must not commit what it may hold in another version, so it hears of no more than is known to match.
    const commit = Math.min(progress.match, log.commit);
    outbox.send({ kind: "heartbeat", from: this.member.id, to: id, term, commit, readSequence });
    progress.onHeartbeatSent(commit);
  }
}
