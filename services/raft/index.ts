export { type RaftConfig, type RaftConfigFault, raftConfigFault } from "./config";
export { type Configuration, configurationFault, configurationOf } from "./configuration";
export {
  EMPTY_HARD_STATE,
  type Entry,
  type EntryId,
  type EntryKind,
  entryBytes,
  type HardState,
  type Index,
  type MemberId,
  type Term,
} from "./entry";
export type { LogReader } from "./log-reader";
export {
  type AppendMessage,
  type AppendResponseMessage,
  type HeartbeatMessage,
  type HeartbeatResponseMessage,
  type Message,
  type MessageKind,
  messageKindNames,
  type PreVoteMessage,
  type PreVoteResponseMessage,
  type Proposal,
  type ProposeMessage,
  type ReadIndexMessage,
  type ReadIndexResponseMessage,
  type TimeoutNowMessage,
  type TransferLeadershipMessage,
  type VoteMessage,
  type VoteResponseMessage,
} from "./message";
export { messageFault } from "./message-fault";
export type { ProposeOutcome, ReadIndexOutcome, StepOutcome, TransferOutcome } from "./outcome";
export { Raft } from "./raft";
export type { Persisted, ReadState, Ready, SoftState } from "./ready";
export type { ProgressState, ProgressStatus, RaftStatus, RoleName } from "./status";
