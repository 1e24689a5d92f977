import type { KvRecord } from "@quorate/client";
import { textOfPair, textOrNull } from "./record-line";

/** A record for programs: text, or base64 with `"encoding": "base64"` where key or value is not UTF-8. */
export function recordFields(record: KvRecord, keysOnly = false): Record<string, unknown> {
  const { key, value, encoding } = textOfPair({ key: record.keyBytes, value: record.bytes });
  const { createRevision, modRevision, version } = record;
  return {
    key,
    ...(keysOnly ? {} : { value }),
    ...(encoding === "" ? {} : { encoding }),
    createRevision,
    modRevision,
    version,
    ...(record.leaseId === 0n ? {} : { leaseId: record.leaseId.toString() }),
  };
}

/** How many keys, for people. */
export function keysText(count: number): string {
  return count === 1 ? "1 key" : `${count} keys`;
}

/** Bytes for people: text with its control characters made visible, or hexadecimal. */
export function visible(bytes: Uint8Array): string {
  const text = textOrNull(bytes);
  if (text === null) return `0x${Buffer.from(bytes).toString("hex")}`;
  return text.replace(/[\p{Cc}\\]/gu, (character) => JSON.stringify(character).slice(1, -1));
}
