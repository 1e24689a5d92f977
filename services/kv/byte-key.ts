/** As many bytes as one call of String.fromCharCode takes without strain on the stack. */
const CHUNK_BYTES_MAX = 4096;

/**
 * A text that is equal for equal bytes only, one UTF-16 unit a byte, so that bytes can be the key of a Map. Texts order
 * as the bytes do. There is no platform decoder in a pure folder, and this takes about as long as hashing the text.
 */
export function byteKey(bytes: Uint8Array): string {
  if (bytes.length <= CHUNK_BYTES_MAX) return chunkText(bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES_MAX) {
    text += chunkText(bytes.subarray(at, at + CHUNK_BYTES_MAX));
  }
  return text;
}

function chunkText(bytes: Uint8Array): string {
  // apply reads the bytes as the list that it is typed to want; spreading them would first build that list.
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}
