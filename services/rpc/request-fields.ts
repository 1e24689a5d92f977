import { ErrorReason } from "@quorate/proto/kv";
import { CallFailure } from "#forward";
import { type KeyRange, type Limits, PRIORITY_MAX, prefixEnd } from "#kv";
import type { MemberId } from "#raft";
import { advertisedAddressFault } from "#settings";
import { compareBytes } from "#std";

const NAMESPACE_LENGTH_MAX = 255;

const LEASE_TTL_MS_MIN = 500n;
const LEASE_TTL_MS_MAX = 604_800_000n;

const SESSION_TTL_MS_DEFAULT = 3_600_000n;
const SESSION_TTL_MS_MIN = 10_000n;
const SESSION_TTL_MS_MAX = 604_800_000n;

/*
 * Each check returns the field as the house uses it, or throws the failure that names the field and its limit.
 */

export function invalid(message: string): CallFailure {
  return new CallFailure(ErrorReason.INVALID_ARGUMENT, message);
}

export function tooLarge(message: string): CallFailure {
  return new CallFailure(ErrorReason.TOO_LARGE, message);
}

export function checkNamespace(namespace: string): string {
  if (namespace.length > NAMESPACE_LENGTH_MAX) {
    throw invalid(
      `namespace is ${namespace.length} characters long, more than the limit of ${NAMESPACE_LENGTH_MAX}`,
    );
  }
  return namespace;
}

export function checkKey(key: Uint8Array, limits: Limits, field = "key"): Uint8Array {
  if (key.length === 0) throw invalid(`${field} must not be empty`);
  if (key.length > limits.keyBytesMax) {
    throw invalid(`${field} is ${key.length} bytes long, more than the limit of ${limits.keyBytesMax}`);
  }
  return key;
}

export function checkValue(value: Uint8Array, limits: Limits): Uint8Array {
  if (value.length > limits.valueBytesMax) {
    throw tooLarge(`value is ${value.length} bytes long, more than the limit of ${limits.valueBytesMax}`);
  }
  return value;
}

export function checkKeys(keys: readonly Uint8Array[], limits: Limits): readonly Uint8Array[] {
  if (keys.length > limits.batchRecordsMax) {
    throw tooLarge(`keys has ${keys.length} items, more than the limit of ${limits.batchRecordsMax}`);
  }
  for (const key of keys) checkKey(key, limits, "each of keys");
  return keys;
}

const MEMBER_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** The id of a member, present or to come. */
export function checkMemberId(memberId: string, field = "member_id"): MemberId {
  if (MEMBER_ID.test(memberId)) return memberId;
  throw invalid(`${field} must be 1 to 64 letters, digits, dots, dashes or underscores`);
}

/** host:port as others reach it. */
export function checkAddress(address: string, field: string): string {
  const fault = advertisedAddressFault(address);
  if (fault !== null) throw invalid(`${field}: ${fault}`);
  return address;
}

export function checkPriority(priority: number): number {
  if (priority < 0 || priority > PRIORITY_MAX) {
    throw invalid(`priority is ${priority}, not between 0 and ${PRIORITY_MAX}`);
  }
  return priority;
}

/** A range or a prefix, never both; nothing set means all keys. */
export function checkRange(
  fields: { readonly start: Uint8Array; readonly end: Uint8Array; readonly prefix: Uint8Array },
  limits: Limits,
): KeyRange {
  const { start, end, prefix } = fields;
  // The successor of the longest key, the key with a 0 byte behind it, is a bound too.
  const bytesMax = limits.keyBytesMax + 1;
  for (const [field, bytes] of [
    ["start", start],
    ["end", end],
    ["prefix", prefix],
  ] as const) {
    if (bytes.length > bytesMax) {
      throw invalid(`${field} is ${bytes.length} bytes long, more than the limit of ${bytesMax}`);
    }
  }
  if (prefix.length > 0) {
    if (start.length > 0 || end.length > 0) throw invalid("prefix cannot be combined with start or end");
    return { start: prefix, end: prefixEnd(prefix) };
  }
  if (end.length === 0) return { start, end: null };
  if (compareBytes(start, end) >= 0) throw invalid("start must be below end");
  return { start, end };
}

/** The same, where leaving everything unset would be a slip too dear. */
export function checkRangeIsNamed(
  fields: { readonly start: Uint8Array; readonly end: Uint8Array; readonly prefix: Uint8Array },
  names = "start, end and prefix",
): void {
  if (fields.start.length === 0 && fields.end.length === 0 && fields.prefix.length === 0) {
    throw invalid(`one of ${names} must be set`);
  }
}

/** An int64 of at least 0 as a number; beyond 2^53, where nothing of ours ever counts, it is 2^53 - 1. */
export function checkCount(value: bigint, field: string): number {
  if (value < 0n) throw invalid(`${field} must not be negative`);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}

/** An int64 of at least 0, as it came. */
export function checkNotNegative(value: bigint, field: string): bigint {
  if (value < 0n) throw invalid(`${field} must not be negative`);
  return value;
}

/** An expected_mod_revision, or null where there is none. */
export function checkCondition(expectedModRevision: bigint | undefined): bigint | null {
  return expectedModRevision === undefined
    ? null
    : checkNotNegative(expectedModRevision, "expected_mod_revision");
}

/** The time to live of a lease. */
export function checkLeaseTtlMs(ttlMs: bigint): number {
  if (ttlMs < LEASE_TTL_MS_MIN || ttlMs > LEASE_TTL_MS_MAX) {
    throw invalid(`ttl_ms is ${ttlMs}, not between ${LEASE_TTL_MS_MIN} and ${LEASE_TTL_MS_MAX}`);
  }
  return Number(ttlMs);
}

/** A bound of a quota: null for none. */
export function checkQuota(bound: bigint, field: string): number | null {
  if (bound < 0n || bound > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalid(`${field} is ${bound}, not between 0 (no bound) and ${Number.MAX_SAFE_INTEGER}`);
  }
  return bound === 0n ? null : Number(bound);
}

/** The time to live of a session; 0 asks for the default. */
export function checkSessionTtlMs(ttlMs: bigint): number {
  if (ttlMs === 0n) return Number(SESSION_TTL_MS_DEFAULT);
  if (ttlMs < SESSION_TTL_MS_MIN || ttlMs > SESSION_TTL_MS_MAX) {
    throw invalid(
      `ttl_ms must be between ${SESSION_TTL_MS_MIN} and ${SESSION_TTL_MS_MAX}, or 0 for the default`,
    );
  }
  return Number(ttlMs);
}
