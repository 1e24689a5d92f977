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
  checkLinearizable,
  judgeKeys,
  type KeyJudgement,
  type LinearizabilityOptions,
  type LinearizabilityVerdict,
  STATES_MAX_DEFAULT,
  verdictOf,
} from "./linearizable";
export {
  buildTimeline,
  type FaultEvent,
  type Timeline,
  type TimelineInput,
  type ViolationMark,
} from "./timeline";
export { timelineHtml } from "./timeline-html";
export { timelineText } from "./timeline-text";
