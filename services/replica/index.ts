export { Canceller } from "./canceller";
export type { HistoryLimits } from "./history-keeper";
export type { Introduction } from "./introductions";
export type { ReplicaListener } from "./listeners";
export type { SnapshotTaken } from "./log-cutter";
// The parts that the replica is made of, for tests of each.
export { cutDue, cutWithin, DEFAULT_LOG_KEEPING, type LogExtent, type LogKeeping } from "./log-keeper";
export {
  DEFAULT_BOUNDS,
  type MemberAddresses,
  type ReplicaBounds,
  type ReplicaOptions,
  type ReplicaTiming,
} from "./options";
export type {
  Cancellation,
  MembershipChange,
  MembershipOutcome,
  MembershipRequest,
  NotAppliedReason,
  ReadOutcome,
  ReadPoint,
  ReadRequest,
  SubmitOutcome,
  TransferResult,
  UnknownReason,
} from "./outcome";
export { type OutgoingImage, OutgoingImages } from "./outgoing-images";
export {
  type Clock,
  type Digest,
  type FrozenState,
  type HistoryQuery,
  type ImageChunk,
  ImageDamaged,
  type ImageHeader,
  type IncomingImage,
  type LogBatch,
  type LogStore,
  type OpenedState,
  type RangeQuery,
  ReadExpired,
  ReceiverFailure,
  type RecordRepair,
  type RecordsQuery,
  type Scheduler,
  type SnapshotSource,
  type StateBatch,
  type StateReceiver,
  StateReplaced,
  type StateStore,
  StoreFailure,
  type Transport,
} from "./ports";
export type { QueuedCommand } from "./proposals";
export { Replica, type SubmitOptions } from "./replica";
export { type Receiving, SnapshotReceiver } from "./snapshot-receiver";
export type { ReplicaStatus } from "./status";
