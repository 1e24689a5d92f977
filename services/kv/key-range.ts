import { compareBytes } from "#std";

/** The keys from start to before end, in bytewise order. */
export interface KeyRange {
  /** Inclusive; empty for the start. */
  readonly start: Uint8Array;
  /** Exclusive; null for no end. */
  readonly end: Uint8Array | null;
}

/** The first key after all that begin with the prefix, or null when there is none: it is empty or all 0xFF. */
export function prefixEnd(prefix: Uint8Array): Uint8Array | null {
  for (let last = prefix.length - 1; last >= 0; last -= 1) {
    const byte = prefix[last] as number;
    if (byte === 0xff) continue;
    // A copy: slice() of the Buffers that messages are decoded to would be a view, and the prefix itself would change.
    const end = new Uint8Array(prefix.subarray(0, last + 1));
    end[last] = byte + 1;
    return end;
  }
  return null;
}

/** The keys that begin with the prefix, itself included; all keys for an empty one. */
export function prefixRange(prefix: Uint8Array): KeyRange {
  return { start: prefix, end: prefixEnd(prefix) };
}

/** Whether no key can be in the range. */
export function rangeIsEmpty(range: KeyRange): boolean {
  return range.end !== null && compareBytes(range.start, range.end) >= 0;
}

export function rangeContains(range: KeyRange, key: Uint8Array): boolean {
  if (compareBytes(key, range.start) < 0) return false;
  return range.end === null || compareBytes(key, range.end) < 0;
}
