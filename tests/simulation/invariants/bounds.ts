import type { MemberId, Message, RaftStatus } from "@quorate/services/raft";
import { DEFAULT_BOUNDS, type ReplicaBounds, type ReplicaStatus } from "@quorate/services/replica";
import { broken } from "./invariant";

/** The part of a member's status that is bounded. */
export type BoundedStatus = Pick<
  ReplicaStatus,
  "openCommands" | "openReads" | "inboxMessages" | "imagesOpen"
> & {
  readonly raft: Pick<RaftStatus, "progress">;
};

/** What a member keeps for its clients, and a leader for its followers, stays within its bounds (invariant 13). */
export class Bounds {
  /** Of all that were sent: a command that is larger than the bounds still travels, alone. */
  private largestEntryBytes = 0;

  constructor(private readonly bounds: ReplicaBounds = DEFAULT_BOUNDS) {}

  sent(message: Message): void {
    if (message.kind !== "append") return;
    for (const { data } of message.entries) {
      this.largestEntryBytes = Math.max(this.largestEntryBytes, data.length);
    }
  }

  stepped(member: MemberId, status: BoundedStatus): void {
    const { commandsMax, readsWaitingMax, inboxMessagesMax, imagesMax } = this.bounds;
    const { openCommands, openReads, inboxMessages, imagesOpen } = status;
    // One more may change the membership: of these there is one at a time.
    if (openCommands > commandsMax + 1) this.exceeded(member, `${openCommands} open commands`, commandsMax);
    // As many may wait for a round as for a revision.
    if (openReads > 2 * readsWaitingMax)
      this.exceeded(member, `${openReads} open reads`, 2 * readsWaitingMax);
    if (inboxMessages > inboxMessagesMax)
      this.exceeded(member, `${inboxMessages} messages in its inbox`, inboxMessagesMax);
    // Each of them is a state that is kept as it was, and the log behind it.
    if (imagesOpen > imagesMax) this.exceeded(member, `${imagesOpen} images open`, imagesMax);
    const { progress } = status.raft;
    if (progress === null) return;
    for (const { id, inflightMessages, inflightBytes } of progress) {
      if (inflightMessages > this.bounds.inflightMessagesMax) {
        this.exceeded(
          member,
          `${inflightMessages} messages in flight to ${id}`,
          this.bounds.inflightMessagesMax,
        );
      }
      // The bound closes the window once it is reached, so the message that reached it may go over.
      const bytesMax =
        this.bounds.inflightBytesMax +
        this.bounds.appendBytesMax +
        Math.max(this.bounds.proposalBytesMax, this.largestEntryBytes);
      if (inflightBytes > bytesMax)
        this.exceeded(member, `${inflightBytes} bytes in flight to ${id}`, bytesMax);
    }
  }

  /** Chunks that came for a member, and its store has not begun to take yet: it pulls them one by one. */
  received(member: MemberId, chunksWaiting: number): void {
    if (chunksWaiting > 1) this.exceeded(member, `${chunksWaiting} chunks of an image that wait`, 1);
  }

  private exceeded(member: MemberId, what: string, max: number): never {
    broken("bounded memory", `${member} has ${what}, more than ${max}`);
  }
}
