import { RANGE_RECORD_OVERHEAD_BYTES } from "./limits";
import type { StoredRecord } from "./record";
import type { RangeRead } from "./view";

/** Which bound ended the reading of a range before its end. */
export type RangeCut = "limit" | "keys" | "values";

/**
 * Says where the reading of a range ends. It is asked by whoever reads ranges, so that all end alike and no answer
 * depends on where a batch begins.
 */
export class RangeMeter {
  private records = 0;
  private keyBytes = 0;
  private valueBytes = 0;

  constructor(private readonly read: RangeRead) {}

  /** Counts the next record of the range, in order; null where the reading goes on behind it. */
  take({ key, valueBytes }: StoredRecord): RangeCut | null {
    const { limit, keyBytesMax, withValues, valueBytesMax } = this.read;
    this.records += 1;
    this.keyBytes += key.length + RANGE_RECORD_OVERHEAD_BYTES;
    this.valueBytes += valueBytes;
    if (this.records >= limit) return "limit";
    if (withValues && this.valueBytes > valueBytesMax) return "values";
    return this.keyBytes > keyBytesMax ? "keys" : null;
  }
}
