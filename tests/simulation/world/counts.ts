/** What happened in a run, counted. */
export interface WorldCounts {
  events: number;
  elections: number;
  /** Processes that ended, whatever the cause. */
  crashes: number;
  starts: number;
  /** States of peers that were installed, by a running replica or before a start. */
  installs: number;
  joins: number;
  removals: number;
  /** Records damaged, and repairs of members by themselves. */
  damages: number;
  repairs: number;
  /** Other clusters that began with a backup of this one. */
  restores: number;
}

export function noCounts(): WorldCounts {
  return {
    events: 0,
    elections: 0,
    crashes: 0,
    starts: 0,
    installs: 0,
    joins: 0,
    removals: 0,
    damages: 0,
    repairs: 0,
    restores: 0,
  };
}
