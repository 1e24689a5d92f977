/** How a cluster keeps time. All nodes of a cluster use the same. */
export interface Profile {
  readonly heartbeatMs: number;
  /** A follower campaigns after a random time from this to twice as long without a leader. */
  readonly electionTimeoutMs: number;
}

export const profiles = {
  default: { heartbeatMs: 100, electionTimeoutMs: 1000 },
  fast: { heartbeatMs: 50, electionTimeoutMs: 250 },
  /** For nodes far apart. */
  wan: { heartbeatMs: 500, electionTimeoutMs: 5000 },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof profiles;

/**
 * Two, so that an idle node wakes seldom. An election timeout has ten or twenty steps then, to be drawn from by chance, and
 * the ticks of different nodes do not fall together.
 */
export const HEARTBEAT_TICKS = 2;

/** How a profile is kept in ticks. */
export function ticksOf(profile: Profile): { readonly tickMs: number; readonly electionTicks: number } {
  const tickMs = profile.heartbeatMs / HEARTBEAT_TICKS;
  return {
    tickMs,
    electionTicks: Math.max(HEARTBEAT_TICKS + 1, Math.round(profile.electionTimeoutMs / tickMs)),
  };
}
