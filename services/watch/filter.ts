import { type Change, type KeyRange, rangeContains } from "#kv";
import { unreachable } from "#std";
import type { WatchSpec } from "./watch";

/** What of a watch decides which changes of its namespace it tells. */
export type Wanted = Pick<WatchSpec, "range" | "puts" | "deletes">;

/** Whether a watch tells a change of its namespace. A truncation is always told: it concerns every key. */
export function isWanted(spec: Wanted, change: Change): boolean {
  switch (change.kind) {
    case "put":
      return spec.puts && rangeContains(spec.range, change.record.key);
    case "delete":
      return spec.deletes && rangeContains(spec.range, change.key);
    case "truncate":
      return true;
    default:
      return unreachable(change);
  }
}

/** The key that a range holds alone, or null where it holds more: then its end is not the key with a 0 byte behind it. */
export function onlyKeyOf({ start, end }: KeyRange): Uint8Array | null {
  if (start.length === 0 || end === null || end.length !== start.length + 1 || end[start.length] !== 0) {
    return null;
  }
  for (let at = 0; at < start.length; at += 1) {
    if (start[at] !== end[at]) return null;
  }
  return start;
}
