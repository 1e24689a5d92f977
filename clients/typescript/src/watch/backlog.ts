import type { Received } from "./reception";

/** With so many changes waiting for the consumer no further message is taken, and the watch is ended at the server. */
export const BACKLOG_EVENTS_MAX = 1024;

/** The same in bytes. What came in one message is taken whole. */
export const BACKLOG_BYTES_MAX = 1024 * 1024;

/** What was received and not yet taken, oldest first. */
export class Backlog {
  #items: Received[] = [];
  #first = 0;
  #events = 0;
  #byteCount = 0;

  get isEmpty(): boolean {
    return this.#events === 0;
  }

  get isFull(): boolean {
    return this.#events >= BACKLOG_EVENTS_MAX || this.#byteCount >= BACKLOG_BYTES_MAX;
  }

  push(item: Received): void {
    if (item.kind === "event") {
      this.#events += 1;
      this.#byteCount += item.byteCount;
    } else if (this.#items.length > this.#first && this.#items.at(-1)?.kind === "reached") {
      this.#items.pop();
    }
    this.#items.push(item);
  }

  shift(): Received | undefined {
    const item = this.#items[this.#first];
    if (item === undefined) return undefined;
    this.#first += 1;
    if (item.kind === "event") {
      this.#events -= 1;
      this.#byteCount -= item.byteCount;
    }
    // Shifting an array moves all of it; taken items are let go in halves instead.
    if (this.#first > 64 && this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#first = 0;
    this.#events = 0;
    this.#byteCount = 0;
  }
}
