import type { MemberId, Message } from "#raft";
import type { Random } from "#std";
import { Cuts } from "./cuts";
import type { Delivery, Direction, FilterContext, NetworkFilter, Timers } from "./filter";

/** What a test says to a network, in process or real. */
export interface NetworkControls {
  /** Returns how to take the filter away again. */
  add(filter: NetworkFilter): () => void;
  /** Members of different groups cannot reach each other; who is in no group is reached by all. */
  partition(...groups: readonly (readonly MemberId[])[]): void;
  isolate(id: MemberId): void;
  /** Nothing arrives in that direction. */
  cut(direction: Direction): void;
  /** Undoes what was done to that direction alone: neither partition nor isolation. */
  mend(direction: Direction): void;
  /** Undoes partition, isolate, cut and all other faults of connections. */
  heal(): void;
  /** Heals, and takes every filter away. */
  clear(): void;
}

/** The filters and cuts of a network: what becomes of a message between its sender and the wire. */
export class Interference implements NetworkControls {
  readonly timers: Timers;
  private readonly random: Random;
  private readonly cuts = new Cuts();
  private placed: readonly PlacedFilter[] = [];
  private placedCount = 0;

  constructor({ timers, random }: { readonly timers: Timers; readonly random: Random }) {
    this.timers = timers;
    this.random = random;
  }

  /**
   * Hands to `deliver` what comes out of the last filter: before this returns, and later what a filter resumes. Whether
   * a cut lies in its way is for the caller to ask.
   */
  pass(message: Message, deliver: (delivery: Delivery) => void): void {
    this.passFrom(0, { message, delayMs: 0 }, deliver);
  }

  isCut(direction: Direction): boolean {
    return this.cuts.isCut(direction);
  }

  add(filter: NetworkFilter): () => void {
    this.placedCount += 1;
    const placed = { filter, number: this.placedCount };
    this.placed = [...this.placed, placed];
    return () => {
      this.placed = this.placed.filter((other) => other !== placed);
    };
  }

  partition(...groups: readonly (readonly MemberId[])[]): void {
    this.cuts.partition(groups);
  }

  isolate(id: MemberId): void {
    this.cuts.isolate(id);
  }

  cut(direction: Direction): void {
    this.cuts.cut(direction);
  }

  mend(direction: Direction): void {
    this.cuts.mend(direction);
  }

  heal(): void {
    this.cuts.heal();
  }

  clear(): void {
    this.heal();
    this.placed = [];
  }

  /** Filters may be taken away while a message is kept back, so where it goes on is told by number, not by position. */
  private passFrom(number: number, delivery: Delivery, deliver: (delivery: Delivery) => void): void {
    const next = this.placedAfter(number);
    if (next === null) {
      deliver(delivery);
      return;
    }
    const goOn = (passed: Delivery): void => this.passFrom(next.number, passed, deliver);
    const context = new PassContext(this.timers, this.random, goOn);
    for (const passed of next.filter.apply(delivery, context)) goOn(passed);
  }

  private placedAfter(number: number): PlacedFilter | null {
    for (const placed of this.placed) if (placed.number > number) return placed;
    return null;
  }
}

/** A class, for an object literal with a getter costs several microseconds, and one is made for each message. */
class PassContext implements FilterContext {
  constructor(
    private readonly timers: Timers,
    readonly random: Random,
    readonly resume: (delivery: Delivery) => void,
  ) {}

  get nowMs(): number {
    return this.timers.nowMs();
  }
}

interface PlacedFilter {
  readonly filter: NetworkFilter;
  /** Rises in the order in which filters were added. */
  readonly number: number;
}
