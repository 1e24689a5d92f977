import { giveBack, LARGE_SLAB_BYTES, SMALL_SLAB_BYTES, slabOf } from "./slabs";

const NO_BYTES = Buffer.alloc(0);

/** Gathers what is to leave together, so that many small frames are one write. */
export class OutgoingBytes {
  /** Where what is added goes: from `reserve()` on. */
  slab: Buffer = NO_BYTES;
  private start = 0;
  private at = 0;
  private full: Buffer[] = [];
  private fullBytes = 0;
  /** Slabs that are full, of which something was not taken yet. */
  private readonly filled: Buffer[] = [];
  /** Those of which all was taken. */
  private readonly spent: Buffer[] = [];
  /** What was taken last did not fit into a small slab. */
  private wasLong = false;

  /** How many bytes have been added since they were last taken. */
  get length(): number {
    return this.fullBytes + this.at - this.start;
  }

  /** Makes room. @returns where in `slab` so many bytes may be written, as far as commit() says that they were */
  reserve(bytes: number): number {
    if (this.slab.length - this.at < bytes) {
      this.closeSegment();
      const isLong = this.wasLong || this.fullBytes > 0;
      this.replaceSlab(isLong ? Math.max(bytes, LARGE_SLAB_BYTES) : bytes);
    }
    return this.at;
  }

  /** @param end where in `slab` what was written ends */
  commit(end: number): void {
    this.at = end;
  }

  /** @returns all that was added, to be used until recycle() */
  take(): readonly Buffer[] {
    this.closeSegment();
    const taken = this.full;
    this.wasLong = this.fullBytes > SMALL_SLAB_BYTES;
    this.full = [];
    this.fullBytes = 0;
    for (let slab = this.filled.pop(); slab !== undefined; slab = this.filled.pop()) this.spent.push(slab);
    return taken;
  }

  /** What was taken is not needed any more. */
  recycle(): void {
    for (let slab = this.spent.pop(); slab !== undefined; slab = this.spent.pop()) giveBack(slab);
    if (this.length > 0) return;
    giveBack(this.slab);
    this.slab = NO_BYTES;
    this.start = 0;
    this.at = 0;
  }

  private replaceSlab(bytes: number): void {
    if (this.slab !== NO_BYTES) this.filled.push(this.slab);
    this.slab = slabOf(bytes);
    this.start = 0;
    this.at = 0;
  }

  private closeSegment(): void {
    if (this.at === this.start) return;
    this.full.push(this.slab.subarray(this.start, this.at));
    this.fullBytes += this.at - this.start;
    this.start = this.at;
  }
}
