export type {
  AlarmName,
  BackupOptions,
  Cluster,
  ClusterCallOptions,
  ClusterClient,
  ClusterMember,
  ComparedMember,
  ConsistencyReport,
  DifferingKey,
  HashOptions,
  HashResult,
  KeyDifference,
  LogLevel,
  MemberAddresses,
  MemberChangeRequest,
  MemberUpdate,
  NewMember,
  NodeAlarm,
  NodeCallOptions,
  NodeHealth,
  NodeRole,
  NodeStats,
  NodeStatus,
  NodeVerification,
  RepairReport,
  SnapshotPoint,
  StatsOptions,
} from "./administration";
export { type BytesLike, endOfPrefix, toBytes, toText } from "./bytes";
export type {
  CallOptions,
  ConditionalWriteOptions,
  ReadConsistency,
  ReadOptions,
  ReplyHeader,
  WriteOptions,
} from "./call-options";
export { bytes, type Codec, integer, json, text } from "./codec";
export { type ProtobufMessageType, type ProtobufRuntime, protobuf } from "./codecs/protobuf";
export {
  type StandardInput,
  type StandardIssue,
  type StandardOutput,
  type StandardResult,
  type StandardSchema,
  standard,
} from "./codecs/standard";
export type {
  Collection,
  CollectionScanOptions,
  CollectionWatchOptions,
  UpdateOptions,
  UpdateResult,
} from "./collection";
export {
  CACHE_ENTRIES_MAX,
  type CacheOptions,
  type CacheWaitOptions,
  CollectionCurrent,
  CollectionDelete,
  type CollectionEvent,
  type CollectionItem,
  CollectionOperations,
  CollectionPut,
  Counter,
  type CounterSetOptions,
  NearCache,
} from "./collections";
export { connect } from "./connect";
export {
  type AcquireOptions,
  type Barrier,
  type BarrierOptions,
  type BarrierWaitOptions,
  type Election,
  HOLD_TTL_MS,
  type Holding,
  type HoldOptions,
  type Leader,
  type Leadership,
  type Lock,
  type ObserveOptions,
  type Permit,
  type Semaphore,
  type SemaphoreOptions,
  type WaitOptions,
} from "./coordination";
export {
  QuorateError,
  type QuorateErrorFields,
  type Reason,
  type StatusName,
  type WriteOutcome,
} from "./errors";
export { type CallTransport, GrpcConnection } from "./grpc-connection";
export type { BatchGetOptions, DeleteRangeResult, DeleteResult, Kv, PutOptions, PutResult } from "./kv";
export type {
  GrantOptions,
  Lease,
  LeaseDetails,
  LeaseInfo,
  LeaseReadOptions,
  Leases,
  TimeToLiveOptions,
} from "./leases";
export type {
  NamespaceCallOptions,
  NamespaceCreateOptions,
  NamespaceInfo,
  NamespaceListOptions,
  NamespaceQuota,
  Namespaces,
} from "./namespaces";
export { type ClientOptions, type ClientPorts, DEADLINE_MS, Quorate } from "./quorate";
export type { KeyRange } from "./range";
export { KvRecord } from "./record";
export type { ScanOptions } from "./scan";
export { SESSION_WINDOW } from "./session";
export { systemTiming, type Timing } from "./timing";
export type { ClientSpan, ClientTracer } from "./tracing";
export type { AttemptOptions, Connect, Connection, Method } from "./transport";
export {
  CollectionView,
  type CollectionViewScanOptions,
  type Comparison,
  type ComparisonOf,
  type ComparisonTarget,
  compare,
  type NestedTxn,
  type Operation,
  op,
  type ResultsOf,
  TRANSACTION_READS_MAX,
  Transaction,
  type TransactionItem,
  type TransactionPutOptions,
  type TransactionScanOptions,
  type TransactOptions,
  Txn,
  type TxnBranch,
  type TxnDeleteOptions,
  type TxnDeleteResult,
  type TxnOutcome,
  type TxnPutOptions,
  type TxnPutResult,
  type TxnScanOptions,
  type TxnScanResult,
} from "./txn";
export {
  type ChangeCause,
  type ChangeOrigin,
  type KvCurrent,
  KvDelete,
  type KvEvent,
  KvPut,
  type KvSynced,
  type KvTruncated,
  Watch,
  type WatchOptions,
  type WatchTarget,
} from "./watch";
