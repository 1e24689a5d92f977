/*
 * Frames of HTTP/2 (RFC 9113): a head of 9 bytes, which is the length of what follows, a type, flags and the stream, and that.
 */

export const FRAME_HEAD_BYTES = 9;

/** The longest frame, behind its head, that each side takes without saying so. We take no longer ones. */
export const FRAME_BYTES_MAX = 16_384;

/** How the calling end begins. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const errorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
} as const;

export const WINDOW_BYTES_DEFAULT = 65_535;
export const WINDOW_BYTES_MAX = 2 ** 31 - 1;

/** The other side does what it must not: the connection cannot go on. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  /** One of `errorCode`. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export function protocolError(what: string): ConnectionError {
  return new ConnectionError(errorCode.protocol, what);
}

export function frameSizeError(): ConnectionError {
  return new ConnectionError(errorCode.frameSize, "a frame of another length than it may have");
}

export function flowControlError(): ConnectionError {
  return new ConnectionError(errorCode.flowControl, "a window that was not kept to");
}
