import { toNumber } from "./numbers";

/** A message with numbers in place of bigints: for replies whose int64 fields stay far below 2^53. */
export type Plain<T> = T extends bigint
  ? number
  : T extends Uint8Array | string | number | boolean | undefined
    ? T
    : T extends readonly (infer Item)[]
      ? readonly Plain<Item>[]
      : { readonly [Field in keyof T]: Plain<T[Field]> };

/** The message as {@link Plain} describes it. */
export function plain<T>(message: T): Plain<T> {
  return plainValue(message) as Plain<T>;
}

function plainValue(value: unknown): unknown {
  if (typeof value === "bigint") return toNumber(value);
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, plainValue(inner)]));
}
