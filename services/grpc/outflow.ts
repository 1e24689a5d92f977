/** How much of the answers of one connection may be waiting for its caller to take them. */
export interface OutflowBounds {
  /** From here on nothing more is begun for it, until half of that is left. */
  readonly bytesMax: number;
  /** Above this it is ended where it takes less than `stalledBytesMin` of it in `stalledMs`. */
  readonly stalledBytesMax: number;
  readonly stalledBytesMin: number;
  readonly stalledMs: number;
  /** Above this it is ended in any case. */
  readonly cutBytesMax: number;
}

/**
 * What is begun at once, a burst of large reads say, is answered at once whatever it comes to, so the bounds that end a
 * connection are far above the one that makes it wait: who takes what was asked for is never ended by the middle one.
 */
export const OUTFLOW_BOUNDS_DEFAULT: OutflowBounds = {
  bytesMax: 16 * 1024 * 1024,
  stalledBytesMax: 64 * 1024 * 1024,
  stalledBytesMin: 1024 * 1024,
  stalledMs: 10_000,
  cutBytesMax: 512 * 1024 * 1024,
};

/** Who waits goes on in so many at a time, so that what they write is counted before the next ones do. */
const RELEASED_MAX = 64;

/** The answers of one connection that were written and not taken yet, and who waits until they are. */
export class Outflow {
  private readonly bounds: OutflowBounds;
  private readonly cut: (why: string) => void;
  /** In the order in which they began to wait. */
  private readonly waiting = new Set<() => void>();
  private unsentBytes = 0;
  private takenBytes = 0;
  private hasRoomAgain = true;
  private releasing: NodeJS.Immediate | undefined;
  private watch: NodeJS.Timeout | undefined;
  private isOver = false;

  /** @param cut to end the connection, with a reason in words; once, and not from within a write */
  constructor(bounds: OutflowBounds, cut: (why: string) => void) {
    this.bounds = bounds;
    this.cut = cut;
  }

  /** Whether what is to be begun, or written, waits. */
  get isFull(): boolean {
    return !this.hasRoomAgain;
  }

  get bytes(): number {
    return this.unsentBytes;
  }

  wrote(bytes: number): void {
    this.unsentBytes += bytes;
    const { bytesMax, stalledBytesMax, cutBytesMax } = this.bounds;
    if (this.unsentBytes < bytesMax || this.isOver) return;
    this.hasRoomAgain = false;
    if (this.unsentBytes > cutBytesMax) this.end(`${this.unsentBytes} bytes of answers were not taken`);
    else if (this.unsentBytes > stalledBytesMax) this.watchPace();
  }

  /** The transport has taken them, or never will. */
  took(bytes: number): void {
    this.unsentBytes -= bytes;
    this.takenBytes += bytes;
    if (this.hasRoomAgain || this.unsentBytes > this.bounds.bytesMax / 2) return;
    this.hasRoomAgain = true;
    this.release();
  }

  /** @param run called once, when there is room; not in this turn, and not where it was forgotten before */
  whenRoom(run: () => void): void {
    this.waiting.add(run);
    this.release();
  }

  forget(run: () => void): void {
    this.waiting.delete(run);
  }

  /** The connection is gone. */
  close(): void {
    this.isOver = true;
    this.waiting.clear();
    clearImmediate(this.releasing);
    clearTimeout(this.watch);
  }

  private release(): void {
    if (this.isFull || this.waiting.size === 0 || this.releasing !== undefined) return;
    this.releasing = setImmediate(() => {
      this.releasing = undefined;
      let count = 0;
      for (const run of this.waiting) {
        if (this.isFull || count === RELEASED_MAX) break;
        count += 1;
        this.waiting.delete(run);
        run();
      }
      this.release();
    });
  }

  private watchPace(): void {
    if (this.watch !== undefined) return;
    const { stalledBytesMax, stalledBytesMin, stalledMs } = this.bounds;
    const before = this.takenBytes;
    this.watch = setTimeout(() => {
      this.watch = undefined;
      if (this.unsentBytes <= stalledBytesMax) return;
      if (this.takenBytes - before >= stalledBytesMin) this.watchPace();
      else this.end(`${this.unsentBytes} bytes of answers were hardly taken for ${stalledMs} ms`);
    }, stalledMs).unref();
  }

  private end(why: string): void {
    if (this.isOver) return;
    this.close();
    // Who writes is not to find its connection gone while it does.
    setImmediate(() => this.cut(why));
  }
}
