import { toBytes, toText } from "./bytes";
import { invalidArgument } from "./errors";
import { toInt64 } from "./numbers";

/**
 * How values of one type are stored as bytes.
 *
 * @typeParam T what is read
 * @typeParam Input what is written; the same as T, unless a schema fills in or transforms what it reads
 */
export interface Codec<out T, in Input = T> {
  /** @throws QuorateError INVALID_ARGUMENT when the value has no stored form */
  encode(value: Input): Uint8Array;
  /** @throws QuorateError INVALID_ARGUMENT when the bytes are not the stored form of a T */
  decode(bytes: Uint8Array): T;
}

/** Bytes as they are. */
export const bytes: Codec<Uint8Array> = { encode: (value) => value, decode: (value) => value };

/** Text in UTF-8. */
export const text: Codec<string> = { encode: toBytes, decode: toText };

/** Integers of 64 bits as decimal text, the form that increment works on. */
export const integer: Codec<bigint> = {
  encode: (value) => toBytes(toInt64(value, "the integer").toString()),
  decode(stored) {
    const digits = toText(stored);
    if (!/^(0|-?[1-9][0-9]*)$/.test(digits)) throw invalidArgument(`"${digits}" is not an integer`);
    return toInt64(BigInt(digits), "the integer");
  },
};

/**
 * JSON in UTF-8. Numbers and values that JSON cannot carry (NaN, the infinities, bigint, a bare undefined) are refused
 * instead of being stored as null. The type is the caller's promise; it is not checked when a value is read: `standard`
 * does that.
 *
 * @example
 * interface User { name: string }
 * const users = kv.collection("user/", json<User>());
 */
export function json<T>(): Codec<T> {
  return {
    encode(value) {
      const encoded: string | undefined = JSON.stringify(value, refuseUnfaithful);
      if (encoded === undefined) throw invalidArgument(`a value of type ${typeof value} has no JSON form`);
      return toBytes(encoded);
    },
    decode(stored) {
      try {
        return JSON.parse(toText(stored)) as T;
      } catch (cause) {
        throw invalidArgument(
          `the stored value is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
        );
      }
    },
  };
}

/**
 * What the codec makes of stored bytes; a refusal names the key.
 *
 * @throws QuorateError INVALID_ARGUMENT
 */
export function decodeAt<T>(key: Uint8Array, stored: Uint8Array, codec: Codec<T, never>): T {
  try {
    return codec.decode(stored);
  } catch (cause) {
    throw invalidArgument(`the value of ${named(key)} cannot be read: ${sentenceOf(cause)}`, cause);
  }
}

/**
 * The bytes that the codec makes of a value; a refusal names the key.
 *
 * @throws QuorateError INVALID_ARGUMENT
 */
export function encodeAt<Input>(key: string, value: Input, codec: Codec<unknown, Input>): Uint8Array {
  try {
    return codec.encode(value);
  } catch (cause) {
    throw invalidArgument(`the value for "${key}" cannot be stored: ${sentenceOf(cause)}`, cause);
  }
}

function named(key: Uint8Array): string {
  return `"${Buffer.from(key).toString("utf8")}"`;
}

function sentenceOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function refuseUnfaithful(key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw invalidArgument(`${value} at "${key}" has no JSON form`);
  }
  if (typeof value === "bigint") {
    throw invalidArgument(`the bigint ${value} at "${key}" has no JSON form: store it as a string`);
  }
  return value;
}
