import type { MemberId, Message } from "#raft";
import type { Random } from "#std";

/** One copy of a message on its way, and how long it is still to take. */
export interface Delivery {
  readonly message: Message;
  readonly delayMs: number;
}

/** What a filter may know beside the delivery itself. */
export interface FilterContext {
  /** Of the present moment, even when asked later. */
  readonly nowMs: number;
  readonly random: Random;
  /**
   * Lets go of what a filter kept back, whenever it likes: it goes on behind that filter, as if it had just come out of
   * it.
   */
  resume(delivery: Delivery): void;
}

/**
 * What a network does to messages, as a small value: none comes out for a message that is lost, two for one that is
 * duplicated, the same with another delay for one that is slowed down. Filters compose: each takes what the one before
 * it lets through. Some count or keep messages, so a value serves one network, once.
 */
export interface NetworkFilter {
  /** For traces and failure reports. */
  readonly name: string;
  apply(delivery: Delivery, context: FilterContext): readonly Delivery[];
}

/** One direction between two members. */
export interface Direction {
  readonly from: MemberId;
  readonly to: MemberId;
}

/** Time as a network needs it: real timers on a real cluster, virtual ones in a simulation. */
export interface Timers {
  /** Milliseconds of a monotonic clock with an arbitrary start. */
  nowMs(): number;
  /** Runs once, `delayMs` from now; at 0 as soon as the present call has ended, in the order asked for. */
  after(delayMs: number, run: () => void): void;
}
