import { QuorateError } from "@quorate/client";
import type { ClusterTime } from "./cluster-time";

/** The messages of a streamed answer between the node that writes them and the client that reads them, one at a time. */
export class MessageQueue implements AsyncIterable<Uint8Array> {
  private message: { readonly bytes: Uint8Array; readonly taken: () => void } | null = null;
  private ending: { readonly failure: Error | null } | null = null;
  private wake: (() => void) | null = null;

  /** @param timeoutMs how long the reader waits for each message; null for as long as it takes */
  constructor(
    private readonly time: ClusterTime,
    private readonly timeoutMs: number | null,
  ) {}

  /** Resolves when the message is taken. */
  push(bytes: Uint8Array): Promise<void> {
    return new Promise((taken) => {
      this.message = { bytes, taken };
      this.wake?.();
    });
  }

  end(failure: Error | null): void {
    this.ending ??= { failure };
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      await this.something();
      const { message } = this;
      if (message !== null) {
        this.message = null;
        message.taken();
        yield message.bytes;
        continue;
      }
      if (this.ending === null) continue;
      if (this.ending.failure !== null) throw this.ending.failure;
      return;
    }
  }

  private something(): Promise<void> {
    if (this.message !== null || this.ending !== null) return Promise.resolve();
    return new Promise((resolve) => {
      const { timeoutMs } = this;
      const cancel =
        timeoutMs === null ? () => {} : this.time.after(timeoutMs, () => this.end(tooLate(timeoutMs)));
      this.wake = () => {
        this.wake = null;
        cancel();
        resolve();
      };
    });
  }
}

function tooLate(timeoutMs: number): QuorateError {
  return new QuorateError(`nothing arrived for ${Math.round(timeoutMs)} ms`, {
    code: "DEADLINE_EXCEEDED",
    reason: "DEADLINE_EXCEEDED",
    retryable: true,
  });
}
