import type { MemberId, RaftStatus } from "@quorate/services/raft";
import { DEFAULT_BOUNDS, type ReplicaBounds } from "@quorate/services/replica";
import { broken } from "./invariant";

/** What a leader keeps for its followers stays within its bounds (invariant 13). */
export class Bounds {
  constructor(private readonly bounds: ReplicaBounds = DEFAULT_BOUNDS) {}

  stepped(member: MemberId, { progress }: Pick<RaftStatus, "progress">): void {
    if (progress === null) return;
    for (const { id, inflightMessages, inflightBytes } of progress) {
      if (inflightMessages > this.bounds.inflightMessagesMax) {
        this.exceeded(member, id, `${inflightMessages} messages`, this.bounds.inflightMessagesMax);
      }
      // The bound closes the window once it is reached, so the message that reached it may go over.
      const bytesMax =
        this.bounds.inflightBytesMax + this.bounds.appendBytesMax + this.bounds.proposalBytesMax;
      if (inflightBytes > bytesMax) this.exceeded(member, id, `${inflightBytes} bytes`, bytesMax);
    }
  }

  private exceeded(member: MemberId, follower: MemberId, what: string, max: number): never {
    broken("bounded memory", `${member} has ${what} in flight to ${follower}, more than ${max}`);
  }
}
