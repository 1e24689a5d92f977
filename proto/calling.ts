export { Answers } from "./calling/answers";
export {
  CallingConnection,
  type CallingConnectionOptions,
  type ConnectionListener,
} from "./calling/calling-connection";
export type { CallingListener, CallingStream } from "./calling/calling-stream";
export { isGrpc } from "./calling/content-type";
export type { EndStatus } from "./calling/end-status";
export { type KeepaliveTimes, keepAlive, type Probed } from "./calling/keepalive";
export { Link, type LinkOptions, type LinkTiming } from "./calling/link";
export { FlagError, framed, MessageSplitter, MessageTooLongError, prefixOf } from "./calling/messages";
export { Sending } from "./calling/sending";
