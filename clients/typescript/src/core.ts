import type { CallOptions } from "./call-options";
import type { CallPlan } from "./call-plan";
import type { Caller } from "./caller";
import type { EndpointPool } from "./endpoint-pool";
import { invalidArgument } from "./errors";
import type { LeaseKeeper } from "./leases";
import type { SeenRevisions } from "./seen-revisions";
import type { Sessions } from "./sessions";
import type { Timing } from "./timing";
import type { Watches } from "./watch/watches";

/** What the parts of one client share. */
export interface Core {
  readonly pool: EndpointPool;
  readonly caller: Caller;
  readonly sessions: Sessions;
  readonly watches: Watches;
  readonly leaseKeeper: LeaseKeeper;
  readonly seen: SeenRevisions;
  readonly timing: Timing;
  readonly deadlineMs: number;
  /** How a call with these options is to be made. */
  plan(options: CallOptions): CallPlan;
}

/** @throws QuorateError INVALID_ARGUMENT for a deadline that is not a positive number of milliseconds */
export function checkedDeadlineMs(deadlineMs: number): number {
  if (!(Number.isFinite(deadlineMs) && deadlineMs > 0 && deadlineMs <= 2 ** 31 - 1)) {
    throw invalidArgument(`deadlineMs must be a positive number of milliseconds, not ${deadlineMs}`);
  }
  return deadlineMs;
}
