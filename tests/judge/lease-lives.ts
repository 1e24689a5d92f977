/*
 * What leases promise: they live for their time to live from the last time they were granted or renewed, their keys
 * go together, and nothing but time and use counts.
 */

/** A moment by two clocks, in milliseconds. */
export interface LeaseMoment {
  /** Of a clock that runs no slower than that of any leader. */
  readonly clockMs: number;
  /** The time that the store itself counts by, which may stand still. */
  readonly storeMs: number;
}

/** Events in the order in which the store carried them out. */
export type LeaseEvent =
  | {
      readonly kind: "granted" | "renewed";
      readonly leaseId: number;
      readonly ttlMs: number;
      /** No later than when it was carried out. */
      readonly at: LeaseMoment;
    }
  | {
      readonly kind: "ended";
      readonly leaseId: number;
      /** By its holder, not by time. */
      readonly isRevoked: boolean;
      readonly at: LeaseMoment;
      readonly revision: number;
    }
  /** A record was written under a lease, or under none (leaseId 0), or deleted. */
  | {
      readonly kind: "attached";
      readonly leaseId: number;
      readonly key: string;
    }
  | {
      readonly kind: "deleted";
      readonly key: string;
      readonly revision: number;
      /** Whether it went because its lease had ended. */
      readonly byLease: boolean;
    }
  /** All keys were deleted at once. */
  | { readonly kind: "truncated" }
  /** The store lets its time pass. */
  | { readonly kind: "tick"; readonly at: LeaseMoment };

export interface LeaseFault {
  readonly rule: "too early" | "too late" | "not together" | "not its own";
  readonly detail: string;
}

interface Life {
  readonly ttlMs: number;
  readonly since: LeaseMoment;
  /** The store's time at the first tick since, from which it counts; null before. */
  countedFromMs: number | null;
  /** Ticks that have come since it was due. */
  dueTicks: number;
}

export interface LeaseOptions {
  /** What two readings of clocks may differ by. */
  readonly slackMs: number;
  /** How many ticks a lease may live on after it is due: where very many end at once, not all do at the first. */
  readonly lateTicksMax: number;
}

/** Follows leases event by event. Events of one revision come with `ended` first. */
export class LeaseCheck {
  private readonly lives = new Map<number, Life>();
  private readonly leaseOf = new Map<string, number>();
  /** The lease whose keys are going, and those that have not gone yet. */
  private ending: { readonly leaseId: number; readonly revision: number; readonly left: Set<string> } | null =
    null;

  constructor(private readonly options: LeaseOptions) {}

  /** How many keys are attached to a lease. */
  keyCount(leaseId: number): number {
    let count = 0;
    for (const owner of this.leaseOf.values()) if (owner === leaseId) count += 1;
    return count;
  }

  take(event: LeaseEvent): LeaseFault | null {
    if (this.ending !== null && !isPartOf(event, this.ending.revision)) {
      const fault = this.unfinished();
      if (fault !== null) return fault;
    }
    switch (event.kind) {
      case "granted":
      case "renewed":
        this.lives.set(event.leaseId, {
          ttlMs: event.ttlMs,
          since: event.at,
          countedFromMs: null,
          dueTicks: 0,
        });
        return null;
      case "ended":
        return this.ended(event);
      case "attached":
        if (event.leaseId === 0) this.leaseOf.delete(event.key);
        else this.leaseOf.set(event.key, event.leaseId);
        return null;
      case "deleted":
        return this.deleted(event);
      case "truncated":
        this.leaseOf.clear();
        return null;
      case "tick":
        return this.tick(event.at);
    }
  }

  /** The history is over: whatever had to go together has gone. */
  finish(): LeaseFault | null {
    return this.unfinished();
  }

  private unfinished(): LeaseFault | null {
    const { ending } = this;
    this.ending = null;
    if (ending === null || ending.left.size === 0) return null;
    const keys = [...ending.left].join(", ");
    return {
      rule: "not together",
      detail: `lease ${ending.leaseId} ended at revision ${ending.revision}, but ${keys} did not go with it`,
    };
  }

  private ended({
    leaseId,
    isRevoked,
    at,
    revision,
  }: Extract<LeaseEvent, { kind: "ended" }>): LeaseFault | null {
    const life = this.lives.get(leaseId);
    this.lives.delete(leaseId);
    const left = new Set([...this.leaseOf].filter(([, owner]) => owner === leaseId).map(([key]) => key));
    this.ending = { leaseId, revision, left };
    if (life === undefined) return { rule: "too early", detail: `lease ${leaseId} ends, but was not there` };
    const livedMs = at.clockMs - life.since.clockMs;
    if (isRevoked || livedMs + this.options.slackMs >= life.ttlMs) return null;
    return {
      rule: "too early",
      detail: `lease ${leaseId} of ${life.ttlMs} ms ends ${Math.round(livedMs)} ms after it was last renewed`,
    };
  }

  private deleted({ key, revision, byLease }: Extract<LeaseEvent, { kind: "deleted" }>): LeaseFault | null {
    const owner = this.leaseOf.get(key);
    this.leaseOf.delete(key);
    if (!byLease) return null;
    const { ending } = this;
    if (ending !== null && ending.revision === revision && ending.left.delete(key)) return null;
    return {
      rule: "not its own",
      detail: `${key} goes at revision ${revision} with lease ${ending?.leaseId ?? "none"}, but is of ${owner ?? "none"}`,
    };
  }

  private tick(at: LeaseMoment): LeaseFault | null {
    for (const [leaseId, life] of this.lives) {
      if (life.countedFromMs === null) {
        life.countedFromMs = at.storeMs;
        continue;
      }
      if (at.storeMs < life.countedFromMs + life.ttlMs) continue;
      life.dueTicks += 1;
      if (life.dueTicks <= this.options.lateTicksMax) continue;
      const lateMs = at.storeMs - life.countedFromMs - life.ttlMs;
      return { rule: "too late", detail: `lease ${leaseId} lives on ${lateMs} ms after it was due` };
    }
    return null;
  }
}

function isPartOf(event: LeaseEvent, revision: number): boolean {
  return event.kind === "deleted" && event.revision === revision;
}
