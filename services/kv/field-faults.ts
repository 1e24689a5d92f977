/*
 * What is wrong with a field of a command, in a sentence for people, or null.
 */

export const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

export function keyFault(key: Uint8Array): string | null {
  return key.length === 0 ? "key is empty" : null;
}

export function boundFault(field: string, number: bigint, min: bigint, max: bigint): string | null {
  return number >= min && number <= max ? null : `${field} is ${number}, not in ${min} to ${max}`;
}
