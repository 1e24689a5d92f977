import type { LeaseClock, LeaseTerms } from "./lease";
import type { PledgeRequest } from "./message";

/**
 * For how long a member votes for no other than its leader, itself included, so that this leader may read by its lease. It is
 * bound whatever becomes of its role and term, and to nobody by name: a leader that fell asks for votes like any other. Only
 * a campaign that the leader itself has called for is exempt (see lease.ts).
 */
export class Pledge {
  private untilMs: number;

  constructor(
    private readonly terms: LeaseTerms,
    private readonly clock: LeaseClock,
  ) {
    // Who was started anew has forgotten what it pledged.
    this.untilMs = clock.monotonicMs() + terms.pledgedMs;
  }

  /** The leader asks, just now. Returns the round in which this member pledges itself; 0: it does not. */
  give({ round, ms }: PledgeRequest): number {
    // More than this member would remember over a restart.
    if (ms > this.terms.pledgeMs) return 0;
    this.untilMs = Math.max(this.untilMs, this.clock.monotonicMs() + ms);
    return round;
  }

  /** At this moment. */
  get isBinding(): boolean {
    return this.clock.monotonicMs() < this.untilMs;
  }
}
