import { ErrorReason } from "@quorate/proto/kv";
import type { Direction } from "@quorate/services/faults";
import {
  type CallChannel,
  type CallChannels,
  CallFailure,
  type Cancelling,
  type OutgoingCall,
} from "@quorate/services/forward";

/** The direction of a call between nodes; null where no cut can lie in its way. */
export type DirectionOf = (address: string) => Direction | null;

/** The connections on which nodes pass calls on to each other: a cut between two nodes cuts these too. */
export class CallLinks {
  private readonly open = new Set<{ readonly direction: Direction; readonly breakOff: () => void }>();

  constructor(private readonly isCut: (direction: Direction) => boolean) {}

  over(channels: CallChannels, directionOf: DirectionOf): CallChannels {
    return {
      to: (address) => {
        const direction = directionOf(address);
        const channel = channels.to(address);
        return direction === null ? channel : this.linked(address, direction, channel);
      },
    };
  }

  /** Breaks what is under way where there is a cut now. */
  cutsChanged(): void {
    for (const { direction, breakOff } of [...this.open]) {
      if (this.isUnusable(direction)) breakOff();
    }
  }

  private linked(address: string, direction: Direction, channel: CallChannel): CallChannel {
    const links = this;
    return {
      async unary(call, cancelling) {
        const passage = links.enter(address, direction, cancelling);
        try {
          return await channel.unary(call, passage.signal);
        } catch (failure) {
          throw passage.lossOr(failure);
        } finally {
          passage.leave();
        }
      },
      async *stream(call: OutgoingCall, cancelling: Cancelling) {
        const passage = links.enter(address, direction, cancelling);
        try {
          yield* channel.stream(call, passage.signal);
        } catch (failure) {
          throw passage.lossOr(failure);
        } finally {
          passage.leave();
        }
      },
      async *duplex(call: OutgoingCall, source: AsyncIterable<Uint8Array>, cancelling: Cancelling) {
        const passage = links.enter(address, direction, cancelling);
        try {
          yield* channel.duplex(call, source, passage.signal);
        } catch (failure) {
          throw passage.lossOr(failure);
        } finally {
          passage.leave();
        }
      },
    };
  }

  private enter(address: string, direction: Direction, cancelling: Cancelling) {
    if (this.isUnusable(direction)) {
      throw new CallFailure(ErrorReason.UNREACHABLE, `${address} cannot be reached: the network is cut`);
    }
    const ending = new AbortController();
    const cancel = (): void => ending.abort();
    cancelling.addEventListener("abort", cancel);
    if (cancelling.aborted) cancel();
    let isBroken = false;
    const entry = {
      direction,
      breakOff: () => {
        isBroken = true;
        cancel();
      },
    };
    this.open.add(entry);
    return {
      signal: ending.signal,
      lossOr: (failure: unknown): unknown =>
        isBroken
          ? new CallFailure(ErrorReason.CONNECTION_LOST, `the connection to ${address} was cut`)
          : failure,
      leave: () => {
        this.open.delete(entry);
        cancelling.removeEventListener("abort", cancel);
      },
    };
  }

  /** A call needs both ways: one for the request, one for the answer. */
  private isUnusable({ from, to }: Direction): boolean {
    return this.isCut({ from, to }) || this.isCut({ from: to, to: from });
  }
}
