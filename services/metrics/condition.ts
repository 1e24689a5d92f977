import type { Replica } from "#replica";

/** Committed entries that a member may have yet to apply and still be of use to those who read from it. */
export const APPLY_LAG_ENTRIES_MAX = 10_000;

/** How a node is, as load balancers and people ask for it. */
export interface Condition {
  /** Whether the process is of any use: if not, it is to be started again. */
  readonly isLive: boolean;
  /** Why calls should go elsewhere; null for no reason. */
  readonly notReadyBecause: string | null;
  readonly memberId: string;
  readonly role: string;
  readonly term: number;
  readonly leaderId: string | null;
  readonly applyLagEntries: number;
  readonly alarms: readonly string[];
}

export interface ConditionSources {
  readonly replica: Pick<Replica, "status">;
  readonly hasFailed: () => boolean;
  readonly isClosing: () => boolean;
  readonly alarms: () => readonly string[];
}

export function conditionOf({ replica, hasFailed, isClosing, alarms }: ConditionSources): Condition {
  const { raft, appliedIndex, receiving } = replica.status();
  const lag = Math.max(0, raft.commit - appliedIndex);
  const isLive = !hasFailed();
  return {
    isLive,
    notReadyBecause: !isLive
      ? "a store failed"
      : isClosing()
        ? "the node is shutting down"
        : receiving !== null
          ? `the state is being received from ${receiving.from}`
          : raft.leaderId === null
            ? "no leader is known"
            : lag > APPLY_LAG_ENTRIES_MAX
              ? `${lag} committed entries are yet to be applied`
              : null,
    memberId: raft.id,
    role: raft.configuration.learners.includes(raft.id) ? "learner" : raft.role,
    term: raft.term,
    leaderId: raft.leaderId,
    applyLagEntries: lag,
    alarms: alarms(),
  };
}
