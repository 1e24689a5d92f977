export { asBuffer } from "./as-buffer";
export { ByteChannel } from "./byte-channel";
export { ByteChannels } from "./byte-channels";
export { ByteServer, type ByteServerOptions } from "./byte-server";
export { ByteCall, type ByteService, type ByteSink, type EndingCall } from "./call";
export type { CallChannel, CallChannels } from "./call-channel";
export { callerLeft, deadlinePassed, toldToCaller } from "./call-failures";
export { type CallHeaders, LazyHeaders, NO_HEADERS } from "./call-headers";
export { type ByteChannelOptions, MESSAGE_BYTES_MAX_DEFAULT } from "./channel-options";
export type { ClientConnection } from "./connections";
export { EndedCalls } from "./ended-calls";
export { CallFailure, type FailureExtras } from "./failure";
export { type FailureRow, failureTable } from "./failure-table";
export { forwardDuplex, forwardStream, outgoingCall } from "./forward-call";
export { GrpcListener } from "./grpc-listener";
export { Health } from "./health";
export { LeaderDirectory } from "./leader-directory";
export { listenOn } from "./listen-on";
export { type Log, SILENT_LOG } from "./log";
export type { AnswerTaker, Cancelling, OutgoingCall } from "./outgoing-call";
export { type PipelineLimits, PipelineServing } from "./pipeline-serving";
export { Reflection } from "./reflection";
export { mayRetry, type RetryQuestion, settle } from "./retry-rule";
export {
  asksForStale,
  clusterRoutes,
  FORWARD_KEY,
  HOPS_KEY,
  hopsOf,
  kvRoutes,
  leaseRoutes,
  MEMBER_KEY,
  type MethodRoute,
  methodPath,
  methodRoutes,
  PIPELINE_PATH,
  REQUEST_ID_KEY,
  type Route,
  TRACEPARENT_KEY,
  watchRoutes,
} from "./routing";
export { StreamSink } from "./stream-sink";
