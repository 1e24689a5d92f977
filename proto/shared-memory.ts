/** As much as Node's own small buffers share: whoever keeps one of them keeps the rest of it. */
const SHARED_BYTES = 8 * 1024;
/** What is longer has memory of its own. */
const OWN_BYTES_MIN = 2 * 1024;

/**
 * Copies of bytes that are handed out, the small ones side by side in memory that they share: to make memory for each, and to
 * take it away again, costs the engine more than the copying.
 */
export class SharedMemory {
  /** What holds the copy that was made last. */
  latest: Uint8Array = new Uint8Array(0);
  private shared: Uint8Array = new Uint8Array(0);
  private used = 0;

  /** @returns where in `latest` the copy begins */
  copy(source: Uint8Array, from: number, to: number): number {
    const length = to - from;
    const part = new Uint8Array(source.buffer, source.byteOffset + from, length);
    if (length >= OWN_BYTES_MIN) {
      this.latest = new Uint8Array(part);
      return 0;
    }
    if (this.used + length > this.shared.length) {
      this.shared = new Uint8Array(SHARED_BYTES);
      this.used = 0;
    }
    const start = this.used;
    this.used += length;
    this.shared.set(part, start);
    this.latest = this.shared;
    return start;
  }
}
