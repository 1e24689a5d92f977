import type { Direction } from "./filter";
import type { NetworkMember } from "./network";

/** One direction between two members, as one TCP connection: what is on its way is lost when the connection is. */
export class Link {
  /** half_open: the other side has forgotten it. unanswered: none comes about, for nobody answers the attempt. */
  condition: "working" | "half_open" | "unanswered" = "working";
  /** What was sent on an earlier connection does not arrive. */
  connection = 0;
  private ends: { readonly from: NetworkMember; readonly to: NetworkMember } | null = null;
  private lossToldTo: NetworkMember | null = null;
  private timeoutOf: NetworkMember | null = null;

  constructor(readonly direction: Direction) {}

  /** Whether these two processes have introduced themselves to each other. */
  isBetween(from: NetworkMember, to: NetworkMember): boolean {
    return this.ends !== null && this.ends.from === from && this.ends.to === to;
  }

  connect(from: NetworkMember, to: NetworkMember): void {
    this.ends = { from, to };
  }

  /** What is on its way is lost. */
  disconnect(): void {
    this.connection += 1;
    this.ends = null;
  }

  /** False when the sender is to be told already. */
  planLoss(from: NetworkMember): boolean {
    if (this.lossToldTo === from) return false;
    this.lossToldTo = from;
    return true;
  }

  lossTold(from: NetworkMember): void {
    if (this.lossToldTo === from) this.lossToldTo = null;
  }

  /** False when the sender waits for an attempt to connect already. */
  planTimeout(from: NetworkMember): boolean {
    if (this.timeoutOf === from) return false;
    this.timeoutOf = from;
    return true;
  }

  timedOut(from: NetworkMember): void {
    if (this.timeoutOf === from) this.timeoutOf = null;
  }
}
