import type { Ledger, SharedChange } from "./shared-change";

/** Below this many taken places the list is not moved together. */
const GAP_MAX = 64;

/** Changes that wait for one watch, oldest first. Whoever pushes watches its bounds. */
export class ChangeQueue {
  private items: SharedChange[] = [];
  private first = 0;
  private byteCount = 0;

  constructor(private readonly ledger: Ledger) {}

  get length(): number {
    return this.items.length - this.first;
  }

  /** Without the records before the changes. */
  get bytes(): number {
    return this.byteCount;
  }

  push(item: SharedChange): void {
    item.hold(this.ledger);
    this.items.push(item);
    this.byteCount += item.bytes;
  }

  peek(): SharedChange | undefined {
    return this.items[this.first];
  }

  shift(): void {
    const item = this.items[this.first];
    if (item === undefined) return;
    this.first += 1;
    this.byteCount -= item.bytes;
    item.release(this.ledger);
    if (this.first === this.items.length) {
      this.items = [];
      this.first = 0;
    } else if (this.first > GAP_MAX && this.first * 2 > this.items.length) {
      this.items = this.items.slice(this.first);
      this.first = 0;
    }
  }

  /** The oldest, at most so many. */
  head(count: number): readonly SharedChange[] {
    return this.items.slice(this.first, this.first + count);
  }

  clear(): void {
    for (let at = this.first; at < this.items.length; at += 1) this.items[at]?.release(this.ledger);
    this.items = [];
    this.first = 0;
    this.byteCount = 0;
  }
}
