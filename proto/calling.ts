export { type KeepaliveTimes, keepAlive } from "./calling/keepalive";
export { FlagError, framed, MessageSplitter, MessageTooLongError } from "./calling/messages";
