export type { HistoryLimits } from "./history-keeper";
export { DEFAULT_BOUNDS, type ReplicaBounds, type ReplicaOptions, type ReplicaTiming } from "./options";
export type {
  Cancellation,
  NotAppliedReason,
  ReadOutcome,
  ReadPoint,
  ReadRequest,
  SubmitOutcome,
  TransferResult,
  UnknownReason,
} from "./outcome";
export {
  type Clock,
  type Digest,
  type HistoryQuery,
  type LogBatch,
  type LogStore,
  type RangeQuery,
  ReadExpired,
  type RecordsQuery,
  type Scheduler,
  type StateBatch,
  type StateStore,
  StoreFailure,
  type Transport,
} from "./ports";
export { Replica, type ReplicaListener } from "./replica";
export type { ReplicaStatus } from "./status";
