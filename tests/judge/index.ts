export { type BankMove, type BankRecord, type BankVerdict, balanceOf, checkBank } from "./bank";
export {
  type DurabilityFinding,
  DurabilityOracle,
  type KeyExpectation,
  type OpenWrite,
  oracleOfHistory,
  type WriteEffect,
} from "./durability";
export { type CrashEvent, checkDurability } from "./durability-check";
export { describeOperation } from "./explanation";
export type { HistoryRecord, OperationName } from "./history";
export { formatHistory, formatRecord, HistoryFault, parseHistory } from "./history-file";
export { type ArgsOf, HistoryRecorder, type OpenOperation, type ResultOf } from "./history-recorder";
export { type JudgeReport, judgeHistoryText } from "./judge-report";
export {
  LeaseCheck,
  type LeaseEvent,
  type LeaseFault,
  type LeaseMoment,
  type LeaseOptions,
} from "./lease-lives";
export {
  checkLinearizable,
  judgeKeys,
  type KeyJudgement,
  type LinearizabilityOptions,
  type LinearizabilityVerdict,
  STATES_MAX_DEFAULT,
  verdictOf,
} from "./linearizable";
export { type Anomaly, checkSerializable, type SerializabilityVerdict } from "./serializable";
export { type CarriedOut, checkSessions, type SessionEvent, type SessionFault } from "./session-guarantees";
export {
  buildTimeline,
  type FaultEvent,
  type Timeline,
  type TimelineInput,
  type ViolationMark,
} from "./timeline";
export { timelineHtml } from "./timeline-html";
export { timelineText } from "./timeline-text";
export { describeTransaction, type ListOperation, type RecordedTransaction } from "./transactions";
export { type CommittedChange, WatchCheck, type WatchedFrame, type WatchRequest } from "./watch-events";
