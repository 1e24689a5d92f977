export type { BackupOptions } from "./backup";
export {
  Cluster,
  type ClusterClient,
  type HashOptions,
  type HashResult,
  type LogLevel,
  type NodeStats,
  type SnapshotPoint,
  type StatsOptions,
} from "./cluster";
export type {
  ClusterMember,
  MemberAddresses,
  MemberChangeRequest,
  MemberUpdate,
  NewMember,
} from "./membership";
export type { ClusterCallOptions, NodeCallOptions } from "./node-call";
export type { AlarmName, NodeAlarm, NodeHealth, NodeRole, NodeStatus, NodeVerification } from "./status";
export type {
  ComparedMember,
  ConsistencyReport,
  DifferingKey,
  KeyDifference,
  RepairReport,
} from "./verification";
