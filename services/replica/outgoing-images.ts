import type { Index } from "#raft";
import type { FrozenState, StateStore } from "./ports";

/** A state that is being sent. */
export interface OutgoingImage {
  readonly imageId: number;
  readonly state: FrozenState;
}

interface HeldImage extends OutgoingImage {
  idleTicks: number;
}

/**
 * The frozen states that are being sent to peers. One whose stream broke is kept for a while, so that it can be gone on
 * with; as long as it is kept, the log behind it is, for whoever receives it will need that next. That holds for a while
 * after it was sent too: its receiver makes it durable and installs it before it says what it holds.
 */
export class OutgoingImages {
  private readonly images = new Map<number, HeldImage>();
  private sentOnes: { readonly index: Index; ticksLeft: number }[] = [];
  private nextId: number;

  constructor(
    private readonly state: Pick<StateStore, "freeze">,
    private readonly options: {
      readonly imagesMax: number;
      /** An image that nobody takes anything of for so many ticks is given up. */
      readonly idleTicksMax: number;
      /** From 1; different in each life of the member, so that an image of an earlier one is not taken for this one's. */
      readonly firstId: number;
    },
  ) {
    this.nextId = options.firstId;
  }

  get count(): number {
    return this.images.size;
  }

  /** The applied index of the oldest, those included that were sent lately; null for none. */
  get pinnedIndex(): Index | null {
    const held = [...this.images.values()].map(({ state }) => state.header.applied.index);
    const indexes = [...held, ...this.sentOnes.map(({ index }) => index)];
    return indexes.length === 0 ? null : Math.min(...indexes);
  }

  /** Freezes the state as it is now. Throws StoreFailure. */
  open(): OutgoingImage | "too_many" {
    if (this.images.size >= this.options.imagesMax) return "too_many";
    const image: HeldImage = { imageId: this.nextId, state: this.state.freeze(), idleTicks: 0 };
    this.nextId += 1;
    this.images.set(image.imageId, image);
    return image;
  }

  /** One that is kept still; null for any other. */
  resume(imageId: number): OutgoingImage | null {
    this.touch(imageId);
    return this.images.get(imageId) ?? null;
  }

  /** A chunk of it was taken. */
  touch(imageId: number): void {
    const image = this.images.get(imageId);
    if (image !== undefined) image.idleTicks = 0;
  }

  /** All of it was taken. */
  sent(imageId: number): void {
    const image = this.images.get(imageId);
    if (image === undefined) return;
    this.sentOnes.push({ index: image.state.header.applied.index, ticksLeft: this.options.idleTicksMax });
    this.release(imageId);
  }

  /** It is needed no longer. Safe to call twice. */
  release(imageId: number): void {
    this.images.get(imageId)?.state.close();
    this.images.delete(imageId);
  }

  tick(): void {
    for (const image of [...this.images.values()]) {
      image.idleTicks += 1;
      if (image.idleTicks > this.options.idleTicksMax) this.release(image.imageId);
    }
    for (const sent of this.sentOnes) sent.ticksLeft -= 1;
    this.sentOnes = this.sentOnes.filter(({ ticksLeft }) => ticksLeft > 0);
  }

  releaseAll(): void {
    for (const imageId of [...this.images.keys()]) this.release(imageId);
    this.sentOnes = [];
  }
}
