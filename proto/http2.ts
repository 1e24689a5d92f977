export { errorCode } from "./http2/frames";
export { KeptField, type OutgoingField } from "./http2/header-encoder";
export type { Headers } from "./http2/headers";
export { afterInput, takeIn, writeNow } from "./http2/input";
export { KeptParts, keepable } from "./http2/kept-parts";
export {
  RequestingConnection,
  type RequestingConnectionListener,
  type RequestingConnectionOptions,
} from "./http2/requesting-connection";
export {
  ServingConnection,
  type ServingConnectionListener,
  type ServingConnectionOptions,
} from "./http2/serving-connection";
export type { Stream, StreamListener } from "./http2/stream";
