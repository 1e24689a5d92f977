import { assert } from "./assert";

/** A first-in, first-out queue with a maximum and a word for full. Both ends take constant time. */
export class BoundedQueue<T> {
  readonly lengthMax: number;
  private slots: (T | undefined)[] = [];
  private head = 0;
  private count = 0;

  /** @param lengthMax how many items it holds at most, a whole number of at least 1 */
  constructor(lengthMax: number) {
    assert(Number.isSafeInteger(lengthMax) && lengthMax >= 1, "a queue holds at least one item");
    this.lengthMax = lengthMax;
  }

  get length(): number {
    return this.count;
  }

  get isFull(): boolean {
    return this.count === this.lengthMax;
  }

  push(item: T): "accepted" | "full" {
    if (this.isFull) return "full";
    if (this.count === this.slots.length) this.grow();
    this.slots[(this.head + this.count) % this.slots.length] = item;
    this.count += 1;
    return "accepted";
  }

  /** Takes the oldest item, or undefined when there is none. */
  shift(): T | undefined {
    if (this.count === 0) return undefined;
    const item = this.slots[this.head];
    this.slots[this.head] = undefined;
    this.head = (this.head + 1) % this.slots.length;
    this.count -= 1;
    return item;
  }

  /** The oldest item, left in place, or undefined when there is none. */
  peek(): T | undefined {
    return this.count === 0 ? undefined : this.slots[this.head];
  }

  /** Takes all items, oldest first. */
  drain(): T[] {
    const items = [...this];
    this.clear();
    return items;
  }

  clear(): void {
    this.slots = [];
    this.head = 0;
    this.count = 0;
  }

  /** Oldest first; the queue must not change meanwhile. */
  *[Symbol.iterator](): Iterator<T> {
    for (let offset = 0; offset < this.count; offset += 1) {
      yield this.slots[(this.head + offset) % this.slots.length] as T;
    }
  }

  /** Room is taken as it is needed, for most queues are far shorter than their bound most of the time. */
  private grow(): void {
    const room = Math.min(this.lengthMax, Math.max(8, this.slots.length * 2));
    const slots = new Array<T | undefined>(room);
    let offset = 0;
    for (const item of this) {
      slots[offset] = item;
      offset += 1;
    }
    this.slots = slots;
    this.head = 0;
  }
}
