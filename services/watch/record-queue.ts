import type { StoredRecord } from "#kv";
import { EVENT_OVERHEAD_BYTES, type Ledger } from "./shared-change";

/** Records of the present state that were read and not yet told. A chunk at a time, so it is moved together each time. */
export class RecordQueue {
  private items: StoredRecord[] = [];
  private byteCount = 0;
  private hasHeld = false;

  constructor(private readonly ledger: Ledger) {}

  get length(): number {
    return this.items.length;
  }

  get bytes(): number {
    return this.byteCount;
  }

  /** Whether there was ever a record. */
  get wasUsed(): boolean {
    return this.hasHeld;
  }

  push(record: StoredRecord): void {
    this.hasHeld = true;
    this.items.push(record);
    this.count(sizeOf(record));
  }

  /** As many as come to at most bytesMax, but one at least where there is one; `left` stay behind. */
  take(bytesMax: number, left: number): readonly StoredRecord[] {
    let bytes = 0;
    let end = 0;
    for (; end < this.items.length - left; end += 1) {
      const size = sizeOf(this.items[end] as StoredRecord);
      if (end > 0 && bytes + size > bytesMax) break;
      bytes += size;
    }
    this.count(-bytes);
    return this.items.splice(0, end);
  }

  clear(): void {
    this.count(-this.byteCount);
    this.items = [];
  }

  private count(bytes: number): void {
    this.byteCount += bytes;
    this.ledger.add(bytes);
  }
}

function sizeOf({ key, value }: StoredRecord): number {
  return EVENT_OVERHEAD_BYTES + key.length + value.length;
}
