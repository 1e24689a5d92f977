import { type BytesLike, toBytes } from "./bytes";
import { invalidArgument } from "./errors";

/** Which keys: all that begin with `prefix`, or those from `start` (inclusive) to `end` (exclusive). */
export interface KeyRange {
  readonly prefix?: BytesLike;
  readonly start?: BytesLike;
  readonly end?: BytesLike;
}

/** The fields of a request that say which keys it is about. */
export interface RangeFields {
  start: Uint8Array;
  end: Uint8Array;
  prefix: Uint8Array;
}

/** A range as the request's fields. */
export function rangeFields(range: KeyRange): RangeFields {
  if (range.prefix !== undefined && (range.start !== undefined || range.end !== undefined)) {
    throw invalidArgument("a range is a prefix or has start and end, not both");
  }
  return {
    start: toBytes(range.start ?? ""),
    end: toBytes(range.end ?? ""),
    prefix: toBytes(range.prefix ?? ""),
  };
}
