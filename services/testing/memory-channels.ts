import {
  type CallChannel,
  type CallChannels,
  CallFailure,
  type Cancelling,
  type OutgoingCall,
} from "@quorate/services/forward";
import type { ClusterTime } from "./cluster-time";
import { duplexTo } from "./memory-duplex";
import { type MemoryEndpoint, nothingListens, type WireCall } from "./memory-endpoint";
import { MessageQueue } from "./message-queue";

/** How nodes of one process pass calls on to each other. */
export class MemoryChannels implements CallChannels {
  constructor(
    private readonly caller: string,
    private readonly find: (address: string) => MemoryEndpoint | null,
    private readonly time: ClusterTime,
  ) {}

  to(address: string): CallChannel {
    return {
      unary: async (call, cancelling) => {
        const endpoint = this.find(address);
        if (endpoint === null) throw nothingListens(address);
        try {
          return await endpoint.unary(this.wire(call, cancelling));
        } catch (failure) {
          throw CallFailure.from(failure);
        }
      },
      stream: (call, cancelling) => this.stream(address, call, cancelling),
      duplex: (call, source, cancelling) => this.duplex(address, call, source, cancelling),
    };
  }

  private async *stream(
    address: string,
    call: OutgoingCall,
    cancelling: Cancelling,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const endpoint = this.find(address);
    if (endpoint === null) throw nothingListens(address);
    const leaving = new AbortController();
    const leave = (): void => leaving.abort();
    cancelling.addEventListener("abort", leave);
    const messages = new MessageQueue(this.time, null);
    endpoint
      .stream(this.wire(call, leaving.signal), (message) => messages.push(message))
      .then(
        () => messages.end(null),
        (failure: unknown) => messages.end(CallFailure.from(failure)),
      );
    try {
      for await (const message of messages) yield message;
    } finally {
      cancelling.removeEventListener("abort", leave);
      leave();
    }
  }

  private async *duplex(
    address: string,
    call: OutgoingCall,
    source: AsyncIterable<Uint8Array>,
    cancelling: Cancelling,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const endpoint = this.find(address);
    if (endpoint === null) throw nothingListens(address);
    const { time } = this;
    try {
      yield* duplexTo(endpoint, this.wire(call, cancelling), source, { time, cancelling });
    } catch (failure) {
      throw CallFailure.from(failure);
    }
  }

  private wire(call: OutgoingCall, cancelling: Cancelling): WireCall {
    const { path, body, headers, deadlineMs } = call;
    const timeoutMs = Number.isFinite(deadlineMs) ? Math.max(1, deadlineMs - this.time.wallMs()) : null;
    return { path, body, headers, timeoutMs, cancelling, caller: this.caller };
  }
}
