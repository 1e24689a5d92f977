import { callerLeft } from "./call-failures";
import type { Cancelling } from "./outgoing-call";

/** So much may be on its way to the transport before the next message waits: short ones that come together leave together. */
export const UNTAKEN_BYTES_MAX = 64 * 1024;

/** What a message takes beside its bytes. */
const MESSAGE_OVERHEAD_BYTES = 64;

/** What calls with a streamed answer have. */
interface WritesMessages {
  write(message: Uint8Array, flushed: () => void): boolean;
  /** null where there is room for more, beside what other calls have under way; else resolves when it is to be asked again. */
  room(): Promise<void> | null;
}

/** Hands on messages as fast as the transport takes them: one that is long, or a few that are short, wait for it at a time. */
export class StreamSink {
  private readonly stream: WritesMessages;
  private readonly call: Cancelling;
  /** Of the messages that the transport has not taken yet. */
  private untakenBytes = 0;
  private onTaken: () => void = () => {};
  private onAborted: () => void = () => {};

  /** @param call aborted when nobody listens any more */
  constructor(stream: WritesMessages, call: Cancelling) {
    this.stream = stream;
    this.call = call;
    // Whoever waits for room is not kept by a caller that takes nothing.
    call.addEventListener("abort", () => {
      this.onTaken();
      this.onAborted();
    });
  }

  /**
   * Resolves when it is handed on; rejects with a CANCELLED failure when nobody listens any more. One call at a time.
   */
  async write(message: Uint8Array): Promise<void> {
    const bytes = message.length + MESSAGE_OVERHEAD_BYTES;
    while (!this.call.aborted) {
      const room = this.room(bytes);
      if (room === null) break;
      await room;
    }
    if (this.call.aborted) throw callerLeft();
    this.untakenBytes += bytes;
    this.stream.write(message, () => {
      this.untakenBytes -= bytes;
      this.onTaken();
    });
  }

  /** Resolves when the transport has taken all of it, or the call has ended. */
  async drained(): Promise<void> {
    while (this.untakenBytes > 0 && !this.call.aborted) await this.taken();
  }

  /** null where there is room for so many bytes more; else resolves when it is to be asked again. */
  private room(bytes: number): Promise<void> | null {
    if (this.untakenBytes > 0 && this.untakenBytes + bytes > UNTAKEN_BYTES_MAX) return this.taken();
    const room = this.stream.room();
    return room === null ? null : this.orAborted(room);
  }

  private taken(): Promise<void> {
    return new Promise((resolve) => {
      this.onTaken = resolve;
    });
  }

  private orAborted(promise: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      this.onAborted = resolve;
      void promise.then(resolve);
    });
  }
}
