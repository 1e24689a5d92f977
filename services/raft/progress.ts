import { assert } from "#std";
import type { Index, MemberId } from "./entry";
import { Inflights } from "./inflights";
import type { ProgressState, ProgressStatus } from "./status";

/**
 * What a leader knows of one member's log, and how it feeds it (etcd-io/raft, tracker/progress.go):
 *
 * - probe: it does not know where the logs meet, and sends one message at a time;
 * - replicate: it knows, and sends ahead of the answers as far as the window of in-flight messages lets it;
 * - snapshot: the entries that the member needs are gone, a snapshot is on its way, and nothing else is sent.
 */
export class Progress {
  match: Index;
  /** Entries in (match, next) are on their way. Always greater than match. */
  next: Index;
  state: ProgressState = "probe";
  /** Whether it was heard of since the last check of the quorum. */
  isRecentlyActive = false;
  /** Whether it was heard of between that check and the one before. */
  private wasRecentlyActive = false;
  /** Set when an append message was sent and must be answered, or a heartbeat be, before the next one goes. */
  isFlowPaused = false;
  needsSnapshot = false;
  /** Set when a heartbeat went to all, until it answers: it is spoken to again then if it is behind, and not for each read. */
  isAnswerDue = false;
  isLearner: boolean;
  isLowOnSpace = false;
  readonly inflights: Inflights;
  private pendingSnapshot: Index = 0;
  /** The highest commit index on its way to the member; falls back when messages seem lost. */
  private sentCommit: Index = 0;

  constructor(start: {
    readonly match: Index;
    readonly next: Index;
    readonly isLearner: boolean;
    readonly inflightMessagesMax: number;
    readonly inflightBytesMax: number;
  }) {
    this.match = start.match;
    this.next = start.next;
    this.isLearner = start.isLearner;
    this.inflights = new Inflights(start.inflightMessagesMax, start.inflightBytesMax);
  }

  /** Whether append messages must wait. */
  get isPaused(): boolean {
    return this.state === "snapshot" || this.isFlowPaused;
  }

  /** Just after a check of the quorum it was heard of if it was before. */
  get isHeardOf(): boolean {
    return this.isRecentlyActive || this.wasRecentlyActive;
  }

  /** The quorum was checked. */
  forgetActivity(): void {
    this.wasRecentlyActive = this.isRecentlyActive;
    this.isRecentlyActive = false;
  }

  becomeProbe(): void {
    // A snapshot that was on its way may have arrived: then the first entry after it is the best guess.
    const next = Math.max(this.match, this.pendingSnapshot) + 1;
    this.enter("probe");
    this.next = next;
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
  }

  becomeReplicate(): void {
    this.enter("replicate");
    this.next = this.match + 1;
    this.needsSnapshot = false;
  }

  becomeSnapshot(snapshotIndex: Index): void {
    assert(snapshotIndex > this.match, "a snapshot goes to who lacks what it holds");
    this.enter("snapshot");
    this.pendingSnapshot = snapshotIndex;
    this.next = snapshotIndex + 1;
    this.sentCommit = snapshotIndex;
  }

  /** Notes an append message that was sent with so many entries, from `next` on. */
  onAppendSent(sent: { readonly entryCount: number; readonly bytes: number; readonly commit: Index }): void {
    assert(this.state !== "snapshot", "no append is sent while a snapshot is on its way");
    if (this.state === "replicate") {
      if (sent.entryCount > 0) {
        this.next += sent.entryCount;
        this.inflights.add(this.next - 1, sent.bytes);
      }
      // With a full window the message serves as a probe: an answer, or a heartbeat's, lets the next one go.
      this.isFlowPaused = this.inflights.isFull;
    } else if (sent.entryCount > 0) {
      this.isFlowPaused = true;
    }
    this.sentCommit = sent.commit;
  }

  onHeartbeatSent(commit: Index): void {
    this.sentCommit = commit;
  }

  /** Whether telling it this commit index may move its own: not when one is under way that covers all it was sent. */
  canBumpCommit(commit: Index): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** Takes an acknowledgement up to `index`; false when it says nothing new. */
  onAcknowledged(index: Index): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.isFlowPaused = false;
    return true;
  }

  /**
   * Takes the rejection of the append that followed `rejected`, with a guess of where the logs meet. False when it is
   * out of date, as a reordered or repeated one is.
   */
  onRejected(rejected: Index, matchGuess: Index): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
    } else {
      // Only one message is out at a time, so a current rejection is about the entry before `next`.
      if (rejected !== this.next - 1) return false;
      this.next = Math.max(Math.min(rejected, matchGuess + 1), this.match + 1);
      this.isFlowPaused = false;
    }
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    assert(this.next > this.match, "what is acknowledged is not sent again");
    return true;
  }

  status(id: MemberId): ProgressStatus {
    return {
      id,
      state: this.state,
      match: this.match,
      next: this.next,
      isLearner: this.isLearner,
      isRecentlyActive: this.isHeardOf,
      isPaused: this.isPaused,
      inflightMessages: this.inflights.messages,
      inflightBytes: this.inflights.bytes,
      pendingSnapshot: this.pendingSnapshot,
      needsSnapshot: this.needsSnapshot,
      isLowOnSpace: this.isLowOnSpace,
    };
  }

  private enter(state: ProgressState): void {
    this.state = state;
    this.isFlowPaused = false;
    this.pendingSnapshot = 0;
    this.inflights.reset();
  }
}
