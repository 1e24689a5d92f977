import type { Log } from "#forward";
import type { Replica } from "#replica";
import {
  type Comparison,
  DEFAULT_VERIFICATION_LIMITS,
  type DivergedKey,
  type VerificationObserver,
  type VerificationPeers,
  type Verifier,
  verifyReplica,
} from "#verification";
import { sha256Digest, systemClock, turnScheduler } from "./platform";

/** Keys that differ and are named in the log; operators ask for more. */
const KEYS_LOGGED_MAX = 20;

/** Where nothing is written, what lies there is compared so many times less often. */
const IDLE_FACTOR = DEFAULT_VERIFICATION_LIMITS.idleIntervalMs / DEFAULT_VERIFICATION_LIMITS.intervalMs;

/** @param intervalMs how often replicas are compared at most; null: only when somebody asks for it */
export function verifierOf(
  replica: Replica,
  peers: VerificationPeers,
  { intervalMs, log }: { readonly intervalMs: number | null; readonly log: Log },
): Verifier {
  return verifyReplica(replica, {
    peers,
    digest: sha256Digest,
    clock: systemClock,
    scheduler: turnScheduler,
    observer: inTheLog(log),
    limits: { intervalMs: intervalMs ?? 0, idleIntervalMs: IDLE_FACTOR * (intervalMs ?? 0) },
  });
}

function inTheLog(log: Log): VerificationObserver {
  return {
    hashed: ({ round, appliedIndex, keys, keysHashed, busyMs }) => {
      log.debug({ round, appliedIndex, keys, keysHashed, busyMs }, "hashed the replica");
    },
    compared: (comparison) => {
      const { round, appliedIndex, consistent } = comparison;
      if (consistent) log.debug({ round, appliedIndex }, "the replicas agree");
      else logDisagreement(comparison, log);
    },
    differs: ({ round, from }) => {
      log.error({ round, from }, "this replica differs from those of the majority and repairs itself");
    },
    repaired: (outcome) => {
      if (outcome.kind === "put_off") log.warn(outcome, "the replica is not repaired yet");
      else log.warn(outcome, "the replica was repaired");
    },
  };
}

/** @param comparison of members that do not all agree, or did not all answer */
export function logDisagreement(
  { round, appliedIndex, isSplit, members, diverged, divergedCount }: Comparison,
  log: Log,
): void {
  const silent = members.filter(({ answered }) => !answered).map(({ member }) => member);
  const differing = members.filter(({ differs }) => differs).map(({ member }) => member);
  const fields = { round, appliedIndex, silent, differing };
  if (isSplit) {
    log.error(fields, "the replicas differ, and no majority of them agrees: none is repaired");
  } else if (differing.length > 0) {
    const keys = diverged.slice(0, KEYS_LOGGED_MAX).map(described);
    log.error({ ...fields, divergedCount, keys }, "replicas differ from those of the majority");
  } else {
    log.info(fields, "not all members could be compared");
  }
}

function described({ member, namespaceId, key, difference }: DivergedKey): object {
  return { member, namespaceId, key: Buffer.from(key).toString("latin1"), difference };
}
