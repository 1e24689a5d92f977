import type { Segment } from "./segment";
import type { SharedChange } from "./shared-change";

/** Changes that wait for one watch, oldest first. Whoever pushes watches its bounds. */
export class ChangeQueue {
  private readonly segments: Segment[] = [];
  /** Of the first segment so much was taken. */
  private takenCount = 0;
  private takenBytes = 0;
  private count = 0;
  private byteCount = 0;

  get length(): number {
    return this.count;
  }

  /** What it keeps in memory: its segments, each whole until the last change of it was taken. */
  get heldBytes(): number {
    return this.segments.reduce((sum, { heldBytes }) => sum + heldBytes, 0);
  }

  push(segment: Segment): void {
    segment.hold();
    this.segments.push(segment);
    this.count += segment.items.length;
    this.byteCount += segment.bytes;
  }

  peek(): SharedChange | undefined {
    return this.segments[0]?.items[this.takenCount];
  }

  shift(): void {
    const [segment] = this.segments;
    const item = this.peek();
    if (segment === undefined || item === undefined) return;
    this.count -= 1;
    this.byteCount -= item.bytes;
    this.takenCount += 1;
    this.takenBytes += item.bytes;
    if (this.takenCount < segment.items.length) return;
    this.segments.shift();
    this.takenCount = 0;
    this.takenBytes = 0;
    segment.release();
  }

  /** The oldest, at most so many. */
  head(countMax: number): readonly SharedChange[] {
    const items: SharedChange[] = [];
    let from = this.takenCount;
    for (const segment of this.segments) {
      items.push(...segment.items.slice(from, from + countMax - items.length));
      if (items.length === countMax) break;
      from = 0;
    }
    return items;
  }

  /** Whether more waits than that beside the largest segment; its bytes are counted without the records before. */
  isBeyond(countMax: number, bytesMax: number): boolean {
    if (this.count <= countMax && this.byteCount <= bytesMax) return false;
    let countLargest = 0;
    let bytesLargest = 0;
    for (const [at, { items, bytes }] of this.segments.entries()) {
      countLargest = Math.max(countLargest, at === 0 ? items.length - this.takenCount : items.length);
      bytesLargest = Math.max(bytesLargest, at === 0 ? bytes - this.takenBytes : bytes);
    }
    return this.count - countLargest > countMax || this.byteCount - bytesLargest > bytesMax;
  }

  clear(): void {
    for (const segment of this.segments.splice(0)) segment.release();
    this.takenCount = 0;
    this.takenBytes = 0;
    this.count = 0;
    this.byteCount = 0;
  }
}
