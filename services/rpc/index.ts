export { AlarmBoard, type AlarmBoardOptions, type AlarmName, alarmNames, type RaisedAlarm } from "./alarms";
export { CallCounters, type MethodCount } from "./call-counters";
export { decodeFrame, FrameEncoder, type PeerFrame } from "./frame-codec";
export {
  helloFault,
  type MemberRegister,
  type PeerIdentity,
  REMOVED_PREFIX,
} from "./greeting";
export { LeaderWait, type LeaderWaitOptions, leaderWaitMsMax } from "./leader-wait";
export { type EntryTraces, messageFromWire, messageToWire } from "./message-codec";
export {
  type Administration,
  type CommandObserver,
  type LogLevel,
  logLevels,
  type MemberAddresses,
  type NodeContext,
  type ProcessFacts,
  type ServedReplica,
  type ServedVerification,
} from "./node-context";
export { NodeService } from "./node-service";
export { PeerLink, type PeerLinkBounds, type PeerLinkOptions } from "./peer-link";
export { removalIn } from "./peer-refusal";
export { PeerServer, type PeerServerOptions } from "./peer-server";
export { PeerSnapshotSource, type PeerSnapshotSourceOptions } from "./peer-snapshot-source";
export { type GuestLinks, PeerTransport, type PeerTransportOptions } from "./peer-transport";
export { PeerVerification, type PeerVerificationOptions } from "./peer-verification";
export { requestIdOf } from "./request-id";
export type { AnsweringVerifier } from "./verification-server";
export { isWellFormedMessage } from "./well-formed-message";
export { WRITE_ORDER_MS_MAX, WriteOrder, type WriteOrderOptions } from "./write-order";
