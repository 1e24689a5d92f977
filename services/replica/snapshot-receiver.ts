import type { Index, MemberId } from "#raft";
import { Canceller } from "./canceller";
import {
  type ImageHeader,
  type IncomingImage,
  type OpenedState,
  ReceiverFailure,
  type SnapshotSource,
  type StateReceiver,
  type StateStore,
  StoreFailure,
} from "./ports";

/** How often in a row an image may be asked for in vain before it is given up. */
const ATTEMPTS_MAX = 4;

/** How often the rest after a receiver failed is doubled at most. */
const REST_DOUBLINGS_MAX = 6;

/** A state that has come whole, durable beside the present one. */
export interface ReceivedState {
  readonly receiver: StateReceiver;
  readonly opened: OpenedState;
}

/** How far an image has come. */
export interface Receiving {
  readonly from: MemberId;
  readonly index: Index;
  readonly bytes: number;
  /** How often it was broken off and gone on with. */
  readonly resumptions: number;
}

/**
 * Brings the image of a peer's state, one at a time, and goes on with it where the stream breaks. What cannot be brought
 * is given up: the leader offers a snapshot again as long as one is needed.
 */
export class SnapshotReceiver {
  private current: Receiving | null = null;
  private canceller = new Canceller();
  private wakeUp: (() => void) | null = null;
  private ticksLeft = 0;
  private restTicks = 0;
  /** Receivers that failed in a row. */
  private receiversFailed = 0;
  private isClosed = false;
  private isLowOnSpace = false;

  constructor(
    private readonly parts: {
      readonly source: SnapshotSource;
      readonly state: Pick<StateStore, "receive">;
      /** Between attempts. */
      readonly retryTicks: number;
      /** There was no room for a state; nothing is brought for a while. */
      readonly failed?: (failure: ReceiverFailure) => void;
    },
  ) {}

  get receiving(): Receiving | null {
    return this.current;
  }

  get isBusy(): boolean {
    return this.current !== null;
  }

  /**
   * Resolves with null where it was given up, also because there was no room for it; then nothing is brought for a while,
   * the longer the more often that happens. Rejects with StoreFailure only. Not while another one is being brought.
   *
   * @param isWanted whether an image would still help
   */
  async bring(from: MemberId, isWanted: (header: ImageHeader) => boolean): Promise<ReceivedState | null> {
    this.current = { from, index: 0, bytes: 0, resumptions: 0 };
    const canceller = new Canceller();
    this.canceller = canceller;
    if (this.isClosed || this.isLowOnSpace || this.restTicks > 0) canceller.abort();
    let receiver: StateReceiver | null = null;
    let imageId = 0;
    let failures = 0;
    try {
      while (failures < ATTEMPTS_MAX && !canceller.aborted) {
        // At once where the stream had brought something: it is worth going on with.
        if (failures > 1) await this.pause();
        try {
          const resume = resumptionOf(receiver, imageId);
          const image = await this.parts.source.fetch(from, resume, canceller);
          if (!isWanted(image.header)) return null;
          if (receiver === null || image.imageId !== imageId) {
            await receiver?.abandon();
            receiver = await this.parts.state.receive(image.header);
            imageId = image.imageId;
            this.current = { ...this.current, index: image.header.applied.index };
          } else {
            this.current = { ...this.current, resumptions: this.current.resumptions + 1 };
          }
          const isWhole = await this.take(image, receiver, () => {
            failures = 0;
          });
          if (!isWhole) {
            failures += 1;
            continue;
          }
          const whole: StateReceiver = receiver;
          // Kept by the caller from here on, or found out to be damaged as a whole.
          receiver = null;
          const opened = await completed(whole);
          this.receiversFailed = 0;
          return { receiver: whole, opened };
        } catch (error) {
          if (error instanceof ReceiverFailure) {
            this.rest(error);
            return null;
          }
          if (error instanceof StoreFailure) throw error;
          // Whatever the peer or the way to it did, the answer is the same: to ask again, and not for ever.
          failures += 1;
        }
      }
      return null;
    } finally {
      this.current = null;
      // Whatever stream is left that nobody takes anything of.
      canceller.abort();
      await receiver?.abandon();
    }
  }

  tick(): void {
    if (this.restTicks > 0) this.restTicks -= 1;
    if (this.wakeUp === null) return;
    this.ticksLeft -= 1;
    if (this.ticksLeft <= 0) this.wake();
  }

  /** Gives up what is being brought. */
  cancel(): void {
    this.canceller.abort();
    this.wake();
  }

  /**
   * While there is little space nothing is brought: a second state beside the present one would fill the disk, which ends
   * the member and is undone by its next start, only to begin anew.
   */
  setLowOnSpace(isLow: boolean): void {
    this.isLowOnSpace = isLow;
    if (isLow) this.cancel();
  }

  /** Gives up what is being brought, and what is asked for later. */
  close(): void {
    this.isClosed = true;
    this.cancel();
  }

  /** Whether the last chunk came. */
  private async take(
    image: IncomingImage,
    receiver: StateReceiver,
    onProgress: () => void,
  ): Promise<boolean> {
    for await (const chunk of image.chunks) {
      if (this.canceller.aborted) return false;
      await receiver.put(chunk);
      onProgress();
      if (this.current !== null) {
        this.current = { ...this.current, bytes: this.current.bytes + chunk.data.length };
      }
      if (chunk.isLast) return true;
    }
    return false;
  }

  /** To begin anew at once would fill the same disk again, and have the peer send its whole state each time. */
  private rest(failure: ReceiverFailure): void {
    this.restTicks = this.parts.retryTicks * 2 ** Math.min(this.receiversFailed, REST_DOUBLINGS_MAX);
    this.receiversFailed += 1;
    this.parts.failed?.(failure);
  }

  private pause(): Promise<void> {
    this.ticksLeft = this.parts.retryTicks;
    return new Promise((resolve) => {
      this.wakeUp = resolve;
    });
  }

  private wake(): void {
    const { wakeUp } = this;
    this.wakeUp = null;
    wakeUp?.();
  }
}

function resumptionOf(
  receiver: StateReceiver | null,
  imageId: number,
): { readonly imageId: number; readonly position: Uint8Array } | null {
  const position = receiver?.position ?? null;
  return position === null ? null : { imageId, position };
}

async function completed(receiver: StateReceiver): Promise<OpenedState> {
  try {
    return await receiver.complete();
  } catch (error) {
    await receiver.abandon();
    throw error;
  }
}
