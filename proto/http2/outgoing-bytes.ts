const SLAB_BYTES = 32 * 1024;

const NO_BYTES = Buffer.alloc(0);

/** One that nobody uses just now: connections that say nothing hold none, and mostly one after the other says something. */
let spare: Buffer | null = null;

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
      this.slab = slabOf(bytes);
      this.start = 0;
      this.at = 0;
    }
    return this.at;
  }

  /** @param end where in `slab` what was written ends */
  commit(end: number): void {
    this.at = end;
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
    if (this.length > 0) return;
    if (this.slab.length === SLAB_BYTES) spare = this.slab;
    this.slab = NO_BYTES;
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

function slabOf(bytes: number): Buffer {
  if (bytes > SLAB_BYTES) return Buffer.allocUnsafeSlow(bytes);
  const slab = spare ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  spare = null;
  return slab;
}
