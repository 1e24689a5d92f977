import { invalidArgument } from "./errors";

/** An int64 field that counts something: revisions, versions and counts stay far below 2^53. */
export function toNumber(value: bigint | number): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${value} does not fit in a number`);
  return number;
}

/** A count or revision from the caller as an int64 field. @param name what to call it in the error */
export function toCount(value: number | undefined, name: string): bigint {
  if (value === undefined) return 0n;
  if (!Number.isSafeInteger(value) || value < 0) {
    throw invalidArgument(`${name} must be a whole number of at least 0, not ${value}`);
  }
  return BigInt(value);
}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** A signed number from the caller as an int64 field. @param name what to call it in the error */
export function toInt64(value: number | bigint, name: string): bigint {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw invalidArgument(
      `${name} must be a whole number that a double holds exactly (or a bigint), not ${value}`,
    );
  }
  const int64 = BigInt(value);
  if (int64 < INT64_MIN || int64 > INT64_MAX)
    throw invalidArgument(`${name} must fit in 64 bits, not ${int64}`);
  return int64;
}
