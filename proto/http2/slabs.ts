import { FRAME_BYTES_MAX, FRAME_HEAD_BYTES } from "./frames";

/** For connections that say little at a time: an answer, an event, a heartbeat. Many of them say it in the same turn. */
export const SMALL_SLAB_BYTES = 4 * 1024;

/** Holds four of the longest frames. */
export const LARGE_SLAB_BYTES = 4 * (FRAME_HEAD_BYTES + FRAME_BYTES_MAX);

const KEPT_SMALL_MAX = 256;
const KEPT_LARGE_MAX = 32;

const smalls: Buffer[] = [];
const larges: Buffer[] = [];

/**
 * Memory that was used before, where there is some: what connections write in a turn is in use all at once, and gone right
 * after. To allocate it anew for each write has V8 look for garbage in all of its heap, for it counts memory that it did not
 * give itself: ten watches that were told of a hundred puts a second had it do so twice a second, for 10 to 20 ms each time.
 */
export function slabOf(bytes: number): Buffer {
  if (bytes <= SMALL_SLAB_BYTES) return smalls.pop() ?? Buffer.allocUnsafeSlow(SMALL_SLAB_BYTES);
  if (bytes <= LARGE_SLAB_BYTES) return larges.pop() ?? Buffer.allocUnsafeSlow(LARGE_SLAB_BYTES);
  return Buffer.allocUnsafeSlow(bytes);
}

/** Nobody uses it any more, nor a view of it. */
export function giveBack(slab: Buffer): void {
  if (slab.length === SMALL_SLAB_BYTES) {
    if (smalls.length < KEPT_SMALL_MAX) smalls.push(slab);
  } else if (slab.length === LARGE_SLAB_BYTES && larges.length < KEPT_LARGE_MAX) larges.push(slab);
}
