import { assert } from "#std";
import type { Configuration } from "./configuration";
import type { MemberId } from "./entry";
import type { PledgeRequest } from "./message";
import { committedIndex } from "./quorum";

/** Where a lease takes time from. It is read when something is judged, never counted: an event loop may stand still. */
export interface LeaseClock {
  /** Milliseconds of a monotonic clock with an arbitrary start. */
  monotonicMs(): number;
  /** Milliseconds since 1970. A machine that slept shows here what its monotonic clock may have missed. */
  wallMs(): number;
}

/**
 * What reads by lease rest on: while the slowest clock of a member measures leaseMs, the fastest measures no more than pledgeMs.
 * Of any member: whoever leads, and whoever pledged itself.
 */
export interface LeaseTerms {
  /**
   * For how long, by its own clock, a member that heard its leader ask for that votes for no other; and the most that it
   * pledges to a leader that asks for another time. At most the shortest election timeout, or elections would wait for it.
   */
  readonly pledgeMs: number;
  /** How long, by its own clock, a leader goes by the pledges of a quorum, from when it asked for them. */
  readonly leaseMs: number;
  /** For how long this member may have pledged itself before it was started: it has forgotten to whom, and since when. */
  readonly pledgedMs: number;
}

/** The part of its pledges' time that a leader does not go by, for clocks that are not equally fast. */
const CLOCK_MARGIN = 0.1;

/** @param pledgeMs the shortest election timeout */
export function leaseTermsOf(pledgeMs: number, pledgedMs: number): LeaseTerms {
  return { pledgeMs, leaseMs: (1 - CLOCK_MARGIN) * pledgeMs, pledgedMs };
}

interface Reading {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/**
 * A leader's lease (thesis 6.4.1): for a while after it asked, members that answered vote for no other, so that none can have
 * been elected meanwhile and what this leader knows to be committed is all that is.
 *
 * - It counts from when the leader asked, not from when it was answered: whoever answered may have heard it then.
 * - It is judged by the configuration in force here, which differs from that of any candidate by one step at most, so that a
 *   quorum of the one and a quorum of the other have a member in common. With a new one it is asked for anew: an old pledge
 *   may be that of a member which was replaced since.
 * - It ends for the whole term when the leader bids another to campaign: those votes break pledges, and whoever was bidden may
 *   hear of it much later.
 */
export class Lease {
  /** The number of the latest round. */
  private latest = 0;
  private isGivenUp = false;
  /** When the rounds from the one that holds on were begun. */
  private readonly begun = new Map<number, Reading>();
  /** The latest round in which a member pledged itself. */
  private readonly pledged = new Map<MemberId, number>();
  /** The latest round in which a quorum did; 0 for none. */
  private held = 0;

  constructor(
    private readonly self: MemberId,
    private readonly terms: LeaseTerms,
    private readonly clock: LeaseClock,
  ) {}

  /** Begins a round, which is to go out at once; null where none is wanted any more. */
  ask(): PledgeRequest | null {
    if (this.isGivenUp) return null;
    const now = this.now();
    for (const [round, since] of this.begun) if (!this.isWithin(since, now)) this.begun.delete(round);
    this.latest += 1;
    this.begun.set(this.latest, now);
    return { round: this.latest, ms: this.terms.pledgeMs };
  }

  /** A member has pledged itself in that round. */
  pledgedBy(id: MemberId, round: number, configuration: Configuration): void {
    // Of a round that is over, or one that was never begun: nothing follows from it.
    if (!this.begun.has(round) || round <= (this.pledged.get(id) ?? 0)) return;
    this.pledged.set(id, round);
    // A leader that leads no longer reads no more, so it needs no pledge of its own.
    const held = committedIndex(configuration, (voter) =>
      voter === this.self ? this.latest : (this.pledged.get(voter) ?? 0),
    );
    assert(held <= this.latest, "a round is begun before anyone pledges itself in it");
    this.held = Math.max(this.held, held);
  }

  /** Whether, at this moment, no other can have been elected. */
  get isHeld(): boolean {
    if (this.isGivenUp) return false;
    const since = this.begun.get(this.held);
    return since !== undefined && this.isWithin(since, this.now());
  }

  /** Another configuration is in force. */
  reconfigured(): void {
    this.begun.clear();
    this.pledged.clear();
    this.held = 0;
  }

  /** Another is about to be bidden to campaign. */
  giveUp(): void {
    this.isGivenUp = true;
  }

  /** By whichever of the two clocks has gone on more: the wall's may also be set back, and then says nothing. */
  private isWithin(since: Reading, now: Reading): boolean {
    const elapsedMs = Math.max(now.monotonicMs - since.monotonicMs, now.wallMs - since.wallMs);
    return elapsedMs < this.terms.leaseMs;
  }

  private now(): Reading {
    return { monotonicMs: this.clock.monotonicMs(), wallMs: this.clock.wallMs() };
  }
}
