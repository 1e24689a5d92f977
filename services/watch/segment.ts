import { assert } from "#std";
import type { Ledger, SharedChange } from "./shared-change";

/** What of one batch all watches that want the same tell, oldest first: one list, held by each that has not told it. */
export class Segment {
  /** Without the records before the changes. */
  readonly bytes: number;
  private holders = 0;
  /** Of the first so many changes the records before them are known, and counted. */
  private countedPrevious = 0;
  private countedPreviousBytes = 0;

  constructor(
    readonly items: readonly SharedChange[],
    private readonly ledger: Ledger,
  ) {
    assert(items.length > 0, "a segment holds a change");
    this.bytes = items.reduce((sum, item) => sum + item.bytes, 0);
  }

  /** With the records before the changes, up to the first that is not known. */
  get heldBytes(): number {
    for (; this.countedPrevious < this.items.length; this.countedPrevious += 1) {
      const item = this.items[this.countedPrevious] as SharedChange;
      if (item.previous.kind !== "known") break;
      this.countedPreviousBytes += item.previousBytes;
    }
    return this.bytes + this.countedPreviousBytes;
  }

  hold(): void {
    this.holders += 1;
    if (this.holders > 1) return;
    for (const item of this.items) item.hold(this.ledger);
  }

  release(): void {
    assert(this.holders > 0, "what is let go was held");
    this.holders -= 1;
    if (this.holders > 0) return;
    for (const item of this.items) item.release(this.ledger);
  }
}
