import type { Cancelling } from "./byte-channel";
import { callerLeft } from "./call-failures";

/** What both kinds of calls with a streamed answer have. */
interface WritesMessages<Message> {
  write(message: Message, flushed: () => void): boolean;
}

/** Hands on one message at a time: the next is taken when the transport has taken the one before. */
export class StreamSink<Message> {
  private readonly stream: WritesMessages<Message>;
  private readonly call: Cancelling;
  private flushed: Promise<void> = Promise.resolve();
  private release: () => void = () => {};

  /** @param call aborted when nobody listens any more */
  constructor(stream: WritesMessages<Message>, call: Cancelling) {
    this.stream = stream;
    this.call = call;
    // grpc-js forgets the callback of a write when the call is cancelled.
    call.addEventListener("abort", () => this.release());
  }

  /** Resolves when there is room for the next message; rejects with a CANCELLED failure when nobody listens any more. */
  async write(message: Message): Promise<void> {
    await this.flushed;
    if (this.call.aborted) throw callerLeft();
    this.flushed = new Promise((resolve) => {
      this.release = resolve;
      this.stream.write(message, () => resolve());
    });
  }

  /** Resolves when the transport has taken all of it, or the call has ended. */
  drained(): Promise<void> {
    return this.flushed;
  }
}
