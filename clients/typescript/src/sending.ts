import type { ClientDuplexStream } from "@grpc/grpc-js";

/** Sends the requests of a duplex stream: the next is taken when the transport has taken the one before. */
export class Sending<Request> {
  /** What the requests threw: the stream is cancelled then. */
  failure: { readonly thrown: unknown } | null = null;
  readonly #call: ClientDuplexStream<Request, unknown>;
  readonly #requests: AsyncIterator<Request>;
  #hasStopped = false;
  #release: () => void = () => undefined;

  constructor(call: ClientDuplexStream<Request, unknown>, requests: AsyncIterable<Request>) {
    this.#call = call;
    this.#requests = requests[Symbol.asyncIterator]();
  }

  begin(): void {
    this.#send().catch((thrown: unknown) => {
      if (this.#hasStopped) return;
      this.failure = { thrown };
      this.#call.cancel();
    });
  }

  /** The call has ended: nothing more is sent, and the requests may let go of what they hold. */
  stop(): void {
    if (this.#hasStopped) return;
    this.#hasStopped = true;
    this.#release();
    // Whatever the requests say to their end comes too late for the call.
    this.#requests.return?.().catch(() => undefined);
  }

  async #send(): Promise<void> {
    for (;;) {
      const next = await this.#requests.next();
      if (this.#hasStopped) return;
      if (next.done === true) {
        this.#call.end();
        return;
      }
      await this.#write(next.value);
      if (this.#hasStopped) return;
    }
  }

  /** Resolves too when the call ends, since grpc-js then forgets the callbacks of its writes. */
  #write(request: Request): Promise<void> {
    return new Promise((resolve) => {
      this.#release = resolve;
      this.#call.write(request, () => resolve());
    });
  }
}
