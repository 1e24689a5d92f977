import { utf8Encode } from "#std";

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** The longest text: a sign and the 19 digits of 2^63. */
const DECIMAL_BYTES_MAX = 20;
const DECIMAL = /^(?:0|-?[1-9][0-9]*)$/;

/** The number whose decimal text `0|-?[1-9][0-9]*` the bytes are, or null when they are none or it is no int64. */
export function parseDecimal(bytes: Uint8Array): bigint | null {
  if (bytes.length === 0 || bytes.length > DECIMAL_BYTES_MAX) return null;
  const text = String.fromCharCode(...bytes);
  if (!DECIMAL.test(text)) return null;
  const number = BigInt(text);
  return isInt64(number) ? number : null;
}

export function formatDecimal(number: bigint): Uint8Array {
  return utf8Encode(number.toString());
}

export function isInt64(number: bigint): boolean {
  return number >= INT64_MIN && number <= INT64_MAX;
}
