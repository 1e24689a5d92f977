import { assert } from "#std";
import type { Index } from "./entry";

/**
 * The window of append messages that a follower has not answered yet: each by the index of its last entry and the bytes
 * of its commands. A ring that grows as needed, for a healthy follower keeps it nearly empty.
 */
export class Inflights {
  private indexes: Index[] = [];
  private sizes: number[] = [];
  private start = 0;
  private messageCount = 0;
  private byteCount = 0;

  constructor(
    private readonly messagesMax: number,
    private readonly bytesMax: number,
  ) {}

  get messages(): number {
    return this.messageCount;
  }

  get bytes(): number {
    return this.byteCount;
  }

  /** The byte limit is soft: a message is let in while any room is left. */
  get isFull(): boolean {
    return this.messageCount >= this.messagesMax || this.byteCount >= this.bytesMax;
  }

  /** Notes a message that was sent, of a higher last index than those before. */
  add(lastIndex: Index, bytes: number): void {
    assert(!this.isFull, "a message is added to the window only while it has room");
    if (this.messageCount === this.indexes.length) this.grow();
    const at = this.slot(this.messageCount);
    this.indexes[at] = lastIndex;
    this.sizes[at] = bytes;
    this.messageCount += 1;
    this.byteCount += bytes;
  }

  /** Forgets all messages whose last index is at most `index`: one answer acknowledges all that came before. */
  freeUpTo(index: Index): void {
    while (this.messageCount > 0 && (this.indexes[this.start] as Index) <= index) {
      this.byteCount -= this.sizes[this.start] as number;
      this.start = this.slot(1);
      this.messageCount -= 1;
    }
    assert(this.byteCount >= 0, "no more bytes are freed than were sent");
  }

  reset(): void {
    this.start = 0;
    this.messageCount = 0;
    this.byteCount = 0;
  }

  private slot(offset: number): number {
    return (this.start + offset) % this.indexes.length;
  }

  private grow(): void {
    const room = Math.min(this.messagesMax, Math.max(4, this.indexes.length * 2));
    const indexes = new Array<Index>(room).fill(0);
    const sizes = new Array<number>(room).fill(0);
    for (let offset = 0; offset < this.messageCount; offset += 1) {
      indexes[offset] = this.indexes[this.slot(offset)] as Index;
      sizes[offset] = this.sizes[this.slot(offset)] as number;
    }
    this.indexes = indexes;
    this.sizes = sizes;
    this.start = 0;
  }
}
