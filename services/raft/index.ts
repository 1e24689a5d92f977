export { type RaftConfig, type RaftConfigFault, raftConfigFault } from "./config";
export { type Configuration, configurationFault, configurationOf } from "./configuration";
export {
  type ChangedConfiguration,
  changedConfiguration,
  configurationStepFault,
  leftConfiguration,
  type MemberChange,
  type Transition,
} from "./configuration-change";
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
// The parts that the core is made of, for tests of each and for whoever builds another core of them.
export { Inflights } from "./inflights";
export { Lease, type LeaseClock, type LeaseTerms, leaseTermsOf } from "./lease";
export { RaftLog } from "./log";
export type { LogReader } from "./log-reader";
export { LogTail } from "./log-tail";
export {
  type AppendMessage,
  type AppendResponseMessage,
  type HeartbeatMessage,
  type HeartbeatResponseMessage,
  type Message,
  type MessageKind,
  messageKindNames,
  type PledgeRequest,
  type PreVoteMessage,
  type PreVoteResponseMessage,
  type Proposal,
  type ProposeMessage,
  type ReadIndexMessage,
  type ReadIndexResponseMessage,
  type SnapshotMessage,
  type TimeoutNowMessage,
  type TransferLeadershipMessage,
  type VoteMessage,
  type VoteResponseMessage,
} from "./message";
export { messageFault, termLeapFault } from "./message-fault";
export type {
  ProposeConfigurationOutcome,
  ProposeOutcome,
  ReadIndexOutcome,
  RestoreOutcome,
  StepOutcome,
  TransferOutcome,
} from "./outcome";
export { Pledge } from "./pledge";
export { Progress } from "./progress";
export { committedIndex, type VoteResult, voteResult } from "./quorum";
export { Raft } from "./raft";
export type { Persisted, ReadState, Ready, SnapshotOffer, SoftState } from "./ready";
export type { ProgressState, ProgressStatus, RaftStatus, RoleName } from "./status";
export {
  type TraceChange,
  type TraceEvent,
  type TraceEventName,
  type TraceMessage,
  type Tracer,
  traceLine,
} from "./trace";
