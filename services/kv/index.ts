export type { Answer, AnswerRecord, Command, Done, Refused } from "@quorate/proto/log";
export { Refusal } from "@quorate/proto/log";
export { decodeAnswer, encodeAnswer } from "./answer";
export { byteKey } from "./byte-key";
export { type CheckedCommand, checkedCommand, readCommand } from "./checked-command";
export {
  type AppendArguments,
  appendCommand,
  type CommandSource,
  changeMembershipCommand,
  closeSessionCommand,
  compactAllCommand,
  compactCommand,
  createNamespaceCommand,
  type DeleteArguments,
  decodeCommand,
  deleteCommand,
  deleteNamespaceCommand,
  deleteRangeCommand,
  encodeCommand,
  encodePutCommand,
  grantLeaseCommand,
  incrementCommand,
  openSessionCommand,
  type PutArguments,
  putCommand,
  recordStoreCommand,
  renewLeasesCommand,
  revokeLeaseCommand,
  setQuotaCommand,
  tickCommand,
  truncateCommand,
  txnCommand,
  updateMemberCommand,
  verifyCommand,
  type WriteId,
} from "./command";
export { KeyMap } from "./key-map";
export { type KeyRange, prefixEnd, prefixRange, rangeContains, rangeIsEmpty } from "./key-range";
export {
  DEFAULT_LIMITS,
  LEASE_KEYS_MAX,
  LEASES_MAX,
  type Limits,
  NAMESPACES_MAX,
  RANGE_RECORD_OVERHEAD_BYTES,
  SESSION_ANSWER_BYTES_MAX,
  SESSION_ANSWER_OVERHEAD_BYTES,
  SESSION_WINDOW_MAX,
  SESSIONS_ANSWER_BYTES_MAX,
  SESSIONS_MAX,
  TIME_MS_MAX,
  TXN_COUNT_MAX,
  TXN_RANGE_DELETIONS_MAX,
  TXN_RANGE_KEY_BYTES_MAX,
  TXN_RANGE_RECORDS_MAX,
  TXN_RANGES_MAX,
} from "./limits";
export { type Applied, type LeaseStatus, StateMachine } from "./machine";
export {
  type ConfigurationState,
  foundingMembership,
  type MemberInfo,
  type MemberState,
  type MembershipState,
  NO_MEMBERS,
  PRIORITY_DEFAULT,
  PRIORITY_MAX,
} from "./membership";
export { MerkleBuilder, type MerkleDigest, type MerkleLeaf, merkleRoot } from "./merkle";
export type { Quota } from "./namespace";
export { firstEvent, oldestReadable } from "./namespace-history";
export { NAMESPACE_NAME_RULE, namespaceNameFault } from "./namespace-name";
export { RangeMeter } from "./range-meter";
export { type StoredRecord, withBytes } from "./record";
export {
  type Change,
  type ChangeCause,
  type ChangeOrigin,
  DEFAULT_NAMESPACE,
  INITIAL_STATE,
  type LeaseKey,
  type LeaseState,
  type NamespaceState,
  type ResidentState,
  type SessionAnswer,
  type SessionState,
  type StateMeta,
  type StateWrites,
} from "./state";
export type { CommandReads, KeyRead, RangeRead, StateReads, StateView } from "./view";
