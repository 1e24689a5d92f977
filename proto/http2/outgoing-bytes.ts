const SLAB_BYTES = 32 * 1024;

/** Gathers what is to leave together, so that many small frames are one write. */
export class OutgoingBytes {
  /** Where what is added goes: from `reserve()` on. */
  slab: Buffer = NO_BYTES;
  private start = 0;
  private at = 0;
  private full: Buffer[] = [];
  private fullBytes = 0;

  /** How many bytes have been added since they were last taken. */
  get length(): number {
    return this.fullBytes + this.at - this.start;
  }

  /** Makes room. @returns where in `slab` so many bytes may be written, as far as commit() says that they were */
  reserve(bytes: number): number {
    if (this.slab.length - this.at < bytes) {
      this.closeSegment();
      this.slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
      this.start = 0;
      this.at = 0;
    }
    return this.at;
  }

  /** @param end where in `slab` what was written ends */
  commit(end: number): void {
    this.at = end;
  }

  /** Adds bytes as they are; they must not change any more. */
  add(bytes: Buffer): void {
    this.closeSegment();
    this.full.push(bytes);
    this.fullBytes += bytes.length;
  }

  /** @returns all that was added */
  take(): readonly Buffer[] {
    this.closeSegment();
    const taken = this.full;
    this.full = [];
    this.fullBytes = 0;
    return taken;
  }

  /** What was taken is not needed any more. */
  recycle(): void {
    if (this.full.length > 0 || this.start !== this.at) return;
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

const NO_BYTES = Buffer.alloc(0);
