/*
 * Frames of HTTP/2 by hand, for callers that do what no client does.
 */
import { flag, frameType, setting } from "../../../proto/http2/frames";

export { errorCode, PREFACE } from "../../../proto/http2/frames";

export const {
  data: DATA,
  headers: HEADERS,
  priority: PRIORITY,
  rstStream: RST_STREAM,
  settings: SETTINGS,
  pushPromise: PUSH_PROMISE,
  ping: PING,
  goaway: GOAWAY,
  windowUpdate: WINDOW_UPDATE,
  continuation: CONTINUATION,
} = frameType;

export const {
  ack: ACK,
  endStream: END_STREAM,
  endHeaders: END_HEADERS,
  padded: PADDED,
  priority: HAS_PRIORITY,
} = flag;

export const {
  headerTableSize: HEADER_TABLE_SIZE,
  enablePush: ENABLE_PUSH,
  initialWindowSize: INITIAL_WINDOW_SIZE,
  maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
  maxFrameSize: MAX_FRAME_SIZE,
} = setting;

/** Of HTTP/2 (RFC 9113, section 4.1). */
export function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
