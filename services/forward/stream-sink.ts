import { callerLeft } from "./call-failures";
import type { Cancelling } from "./outgoing-call";

/** What calls with a streamed answer have. */
interface WritesMessages {
  write(message: Uint8Array, flushed: () => void): boolean;
  /** null where there is room for more, beside what other calls have under way; else resolves when it is to be asked again. */
  room(): Promise<void> | null;
}

/** Hands on one message at a time: the next is taken when the transport has taken the one before. */
export class StreamSink {
  private readonly stream: WritesMessages;
  private readonly call: Cancelling;
  private flushed: Promise<void> = Promise.resolve();
  private release: () => void = () => {};

  /** @param call aborted when nobody listens any more */
  constructor(stream: WritesMessages, call: Cancelling) {
    this.stream = stream;
    this.call = call;
    // Whoever waits for room is not kept by a caller that takes nothing.
    call.addEventListener("abort", () => this.release());
  }

  /** Resolves when there is room for the next message; rejects with a CANCELLED failure when nobody listens any more. */
  async write(message: Uint8Array): Promise<void> {
    await this.flushed;
    for (let room = this.stream.room(); room !== null && !this.call.aborted; room = this.stream.room()) {
      await this.orAborted(room);
    }
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

  private orAborted(promise: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      this.release = resolve;
      void promise.then(resolve);
    });
  }
}
