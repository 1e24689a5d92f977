import { flowControlError, WINDOW_BYTES_DEFAULT } from "./frames";

/** How much data of all streams of a connection may be under way to here unread. */
export class ReceiveWindow {
  private readonly bytesMax: number;
  private left: number;
  /** What has come and may come again, which the other side was not told yet. */
  private uncredited = 0;

  /** @param bytesMax not below what the other side takes for granted: then it is that */
  constructor(bytesMax: number) {
    this.bytesMax = Math.max(WINDOW_BYTES_DEFAULT, bytesMax);
    this.left = this.bytesMax;
  }

  /** How much the other side is to be told at first: what it may send beyond what it takes for granted. */
  get beyondDefault(): number {
    return this.bytesMax - WINDOW_BYTES_DEFAULT;
  }

  /**
   * Data has come, whose room is given back at once: what waits in one stream must not be in the way of the others, of
   * which each has a window of its own.
   *
   * @returns how much more the other side is to be told that it may send; 0 where that is to wait for more
   * @throws ConnectionError where it has sent more than it may
   */
  take(bytes: number): number {
    this.left -= bytes;
    if (this.left < 0) throw flowControlError();
    this.uncredited += bytes;
    if (this.uncredited < this.bytesMax / 2) return 0;
    const credited = this.uncredited;
    this.left += credited;
    this.uncredited = 0;
    return credited;
  }
}
