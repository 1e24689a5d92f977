import {
  type Alarm,
  AlarmKind,
  Health,
  Role,
  type StatusResponse,
  type VerificationStatus,
} from "@quorate/proto/cluster";
import { toHex } from "#client/bytes";
import { type Plain, plain } from "#client/plain";

/** The part that a node plays. */
export type NodeRole = "unspecified" | "follower" | "pre-candidate" | "candidate" | "leader" | "learner";

/** How well a node is. */
export type NodeHealth = "unspecified" | "healthy" | "degraded" | "unhealthy";

/** What an alarm is about: a disk that is nearly full, a replica that differs, a member that is not heard of. */
export type AlarmName = "unspecified" | "no-space" | "diverged" | "member-down";

/** Something that an operator should know of; `message` says what to do, `sinceMs` is wall time. */
export interface NodeAlarm extends Plain<Omit<Alarm, "kind">> {
  readonly kind: AlarmName;
}

/** How the comparison of the replicas stands, as a node knows. */
export interface NodeVerification extends Plain<Omit<VerificationStatus, "root">> {
  /** The root over the node's buckets and counters, in hexadecimal; empty before its first round. */
  readonly root: string;
}

/** The status of a node: the fields of `quorate.cluster.v1.StatusResponse`. */
export interface NodeStatus
  extends Plain<Omit<StatusResponse, "role" | "health" | "alarms" | "verification">> {
  readonly role: NodeRole;
  readonly health: NodeHealth;
  readonly alarms: readonly NodeAlarm[];
  /** undefined where the node compares nothing. */
  readonly verification: NodeVerification | undefined;
}

const ROLE_NAMES = {
  [Role.UNSPECIFIED]: "unspecified",
  [Role.FOLLOWER]: "follower",
  [Role.PRE_CANDIDATE]: "pre-candidate",
  [Role.CANDIDATE]: "candidate",
  [Role.LEADER]: "leader",
  [Role.LEARNER]: "learner",
} as const satisfies Record<Role, NodeRole>;

const HEALTH_NAMES = {
  [Health.UNSPECIFIED]: "unspecified",
  [Health.HEALTHY]: "healthy",
  [Health.DEGRADED]: "degraded",
  [Health.UNHEALTHY]: "unhealthy",
} as const satisfies Record<Health, NodeHealth>;

const ALARM_NAMES = {
  [AlarmKind.UNSPECIFIED]: "unspecified",
  [AlarmKind.NO_SPACE]: "no-space",
  [AlarmKind.DIVERGED]: "diverged",
  [AlarmKind.MEMBER_DOWN]: "member-down",
} as const satisfies Record<AlarmKind, AlarmName>;

/** A status with names and numbers of JavaScript. A newer node may know roles and alarms that this client does not. */
export function nodeStatus(reply: StatusResponse): NodeStatus {
  const { alarms, verification, ...rest } = reply;
  return {
    ...plain(rest),
    role: ROLE_NAMES[reply.role] ?? "unspecified",
    health: HEALTH_NAMES[reply.health] ?? "unspecified",
    alarms: alarms.map((alarm) => ({ ...plain(alarm), kind: ALARM_NAMES[alarm.kind] ?? "unspecified" })),
    verification:
      verification === undefined ? undefined : { ...plain(verification), root: toHex(verification.root) },
  };
}
