/** Bytes that a view may leave unused behind it before it is worth a copy. */
const SLACK_BYTES_MAX = 256;

/** The same bytes without the memory that a decoded view would pin, such as a whole frame from a peer. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  const slack = bytes.buffer.byteLength - bytes.byteLength;
  return slack <= SLACK_BYTES_MAX ? bytes : new Uint8Array(bytes);
}
