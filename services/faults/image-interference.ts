import type { Cancellation, ImageChunk } from "#replica";
import type { Random } from "#std";
import type { Direction, Timers } from "./filter";
import type { ChunkDelivery, ImageFilter } from "./image-filter";

/** The filters between those who send images and those who receive them, shared by all streams of a network. */
export class ImageInterference {
  private readonly timers: Timers;
  private readonly random: Random;
  private readonly isCut: (direction: Direction) => boolean;
  private placed: readonly PlacedImageFilter[] = [];

  /** @param isCut where there is no way for messages there is none for images: they break */
  constructor({
    timers,
    random,
    isCut = () => false,
  }: {
    readonly timers: Timers;
    readonly random: Random;
    readonly isCut?: (direction: Direction) => boolean;
  }) {
    this.timers = timers;
    this.random = random;
    this.isCut = isCut;
  }

  /** Returns how to take the filter away again: what stands still because of it goes on. */
  add(filter: ImageFilter): () => void {
    const placed = new PlacedImageFilter(filter);
    this.placed = [...this.placed, placed];
    return () => {
      this.placed = this.placed.filter((other) => other !== placed);
      placed.takeAway();
    };
  }

  clear(): void {
    const { placed } = this;
    this.placed = [];
    for (const filter of placed) filter.takeAway();
  }

  /** What comes of the chunk. Rejects when the stream breaks, or is no longer wanted. */
  async pass(delivery: ChunkDelivery, cancellation: Cancellation): Promise<ImageChunk> {
    const { from, to } = delivery;
    let { chunk } = delivery;
    for (const placed of this.placed) {
      const fate = placed.filter.apply({ ...delivery, chunk }, { random: this.random });
      switch (fate.kind) {
        case "pass":
          chunk = fate.chunk;
          if (fate.delayMs > 0) await this.wait(fate.delayMs, cancellation);
          break;
        case "stall":
          await unlessCancelled(placed.takenAway, cancellation);
          break;
        case "break":
          throw new Error(`the stream of the image broke: ${placed.filter.name}`);
      }
    }
    if (this.isCut({ from, to }) || this.isCut({ from: to, to: from })) {
      throw new Error(`the stream of the image broke: ${from} and ${to} cannot reach each other`);
    }
    return chunk;
  }

  private wait(delayMs: number, cancellation: Cancellation): Promise<void> {
    return unlessCancelled(new Promise((resolve) => this.timers.after(delayMs, resolve)), cancellation);
  }
}

class PlacedImageFilter {
  readonly takenAway: Promise<void>;
  takeAway: () => void = () => undefined;

  constructor(readonly filter: ImageFilter) {
    this.takenAway = new Promise((resolve) => {
      this.takeAway = resolve;
    });
  }
}

/** Rejects when cancelled before. */
function unlessCancelled(waited: Promise<void>, cancellation: Cancellation): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = (): void => reject(new Error("the image is no longer wanted"));
    if (cancellation.aborted) {
      cancel();
      return;
    }
    cancellation.addEventListener("abort", cancel);
    void waited.then(() => {
      cancellation.removeEventListener("abort", cancel);
      resolve();
    });
  });
}
