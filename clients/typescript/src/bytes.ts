import { invalidArgument } from "./errors";

/** What keys and values are given as: a string stands for its UTF-8 bytes. */
export type BytesLike = string | Uint8Array;

/** The bytes of a key or value. A string with a lone surrogate has no UTF-8 form and is refused. */
export function toBytes(value: BytesLike): Uint8Array {
  return typeof value === "string" ? Buffer.from(checkedText(value), "utf8") : value;
}

/** The same, for who encodes strings as well as bytes. */
export function checkedBytes(value: BytesLike): BytesLike {
  return typeof value === "string" ? checkedText(value) : value;
}

function checkedText(text: string): string {
  if (text.isWellFormed()) return text;
  throw invalidArgument("a string holds a lone surrogate and has no UTF-8 form");
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text that the bytes encode in UTF-8. @throws QuorateError INVALID_ARGUMENT when they are not UTF-8 */
export function toText(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch (cause) {
    throw invalidArgument(`these ${bytes.length} bytes are not UTF-8: read them as bytes (${String(cause)})`);
  }
}

/** Bytes in hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** The smallest key that is larger than every key with this prefix; empty when there is none. */
export function endOfPrefix(prefix: Uint8Array): Uint8Array {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1;
  // Not slice(): a Buffer's is a view, and the prefix would change with it.
  const end = Uint8Array.from(prefix.subarray(0, length));
  if (length > 0) end[length - 1] = (end[length - 1] as number) + 1;
  return end;
}
