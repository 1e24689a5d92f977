import type { ClientDuplexStream } from "@grpc/grpc-js";

/** Sends one side of a duplex stream: the next message is taken when the transport has taken the one before. */
export class Sending {
  /** What the source threw: the stream is cancelled then. */
  failure: { readonly thrown: unknown } | null = null;
  private readonly call: ClientDuplexStream<Uint8Array, Buffer>;
  private readonly messages: AsyncIterator<Uint8Array>;
  private hasStopped = false;
  private release: () => void = () => {};

  constructor(call: ClientDuplexStream<Uint8Array, Buffer>, source: AsyncIterable<Uint8Array>) {
    this.call = call;
    this.messages = source[Symbol.asyncIterator]();
  }

  begin(): void {
    this.send().catch((thrown: unknown) => {
      if (this.hasStopped) return;
      this.failure = { thrown };
      this.call.cancel();
    });
  }

  /** The call has ended: nothing more is sent, and the source may let go of what it holds. */
  stop(): void {
    if (this.hasStopped) return;
    this.hasStopped = true;
    this.release();
    // Whatever the source says to its end comes too late for the call.
    this.messages.return?.().catch(() => {});
  }

  private async send(): Promise<void> {
    for (;;) {
      const next = await this.messages.next();
      if (this.hasStopped) return;
      if (next.done === true) {
        this.call.end();
        return;
      }
      await this.write(next.value);
      if (this.hasStopped) return;
    }
  }

  /** Resolves too when the call ends, since grpc-js then forgets the callbacks of its writes. */
  private write(message: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.release = resolve;
      this.call.write(message, () => resolve());
    });
  }
}
