import type { LeaseClock, LeaseTerms, RaftConfig } from "@quorate/services/raft";

/** A clock that a test sets. */
export class TestClock implements LeaseClock {
  nowMs = 1_000;
  /** By how much the wall's clock is ahead. */
  wallOffsetMs = 0;

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.nowMs + this.wallOffsetMs;
  }
}

/** Leases of 90 ms on pledges of 100, by that clock; a member that starts has never pledged itself. */
export function leaseOf(
  clock: LeaseClock,
  terms: Partial<LeaseTerms> = {},
): NonNullable<RaftConfig["lease"]> {
  return { pledgeMs: 100, leaseMs: 90, pledgedMs: 0, ...terms, clock };
}
