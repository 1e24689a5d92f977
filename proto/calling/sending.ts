import type { CallingStream } from "./calling-stream";

/** Sends the requests of a duplex stream: the next is taken when the transport has taken the one before. */
export class Sending<Request> {
  private readonly stream: CallingStream;
  private readonly requests: AsyncIterator<Request>;
  private readonly encoded: (request: Request) => Uint8Array;
  private readonly onFailure: (thrown: unknown) => void;
  private hasStopped = false;
  private release: () => void = () => undefined;

  /** @param onFailure told once what the requests threw, or that one of them cannot be encoded */
  constructor(
    stream: CallingStream,
    requests: AsyncIterable<Request>,
    encoded: (request: Request) => Uint8Array,
    onFailure: (thrown: unknown) => void,
  ) {
    this.stream = stream;
    this.requests = requests[Symbol.asyncIterator]();
    this.encoded = encoded;
    this.onFailure = onFailure;
  }

  begin(): void {
    this.send().catch((thrown: unknown) => {
      if (!this.hasStopped) this.onFailure(thrown);
    });
  }

  /** The call has ended: nothing more is sent, and the requests may let go of what they hold. */
  stop(): void {
    if (this.hasStopped) return;
    this.hasStopped = true;
    this.release();
    // Whatever the requests say to their end comes too late for the call.
    this.requests.return?.().catch(() => undefined);
  }

  private async send(): Promise<void> {
    for (;;) {
      const next = await this.requests.next();
      if (this.hasStopped) return;
      if (next.done === true) {
        this.stream.end();
        return;
      }
      await this.write(next.value);
      if (this.hasStopped) return;
    }
  }

  /** Resolves too when the call ends. */
  private write(request: Request): Promise<void> {
    return new Promise((resolve) => {
      this.release = resolve;
      this.stream.write(this.encoded(request), resolve);
    });
  }
}
